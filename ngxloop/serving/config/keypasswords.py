"""Passwords of private keys that were typed at the terminal: asked for once, kept for reloads.

Only the command asks, before it serves: a running master must not wait for input. After USR2 the
new master gets the passwords from the old one.
"""

import contextlib
import dataclasses
import getpass
import json
import os
import signal
from collections.abc import Iterator, Mapping

_TERMINAL = "/dev/tty"


@dataclasses.dataclass
class _State:
    """The passwords of this process; see the file header."""

    typed: dict[str, str] = dataclasses.field(default_factory=dict)  # by the file of the key
    is_asking: bool = False


_state = _State()


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Inside this block, ask for missing passwords if there is a terminal."""
    _state.is_asking = True
    try:
        yield
    finally:
        _state.is_asking = False


def typed_password(path: str) -> str | None:
    """Return the password of an encrypted key, asked for now or before; None if it is unknown.

    Raises:
        KeyboardInterrupt, EOFError: Ctrl-C or Ctrl-D was typed.
    """
    path = os.path.abspath(path)
    if path not in _state.typed and _state.is_asking and _is_at_terminal():
        with _interruptible():
            _state.typed[path] = getpass.getpass(f"password of {path}: ")
    return _state.typed.get(path)


def forget_password(path: str) -> None:
    """Forget a wrong password, so that the next start asks again."""
    _state.typed.pop(os.path.abspath(path), None)


def forget_passwords() -> None:
    """Forget all, in a process that reads no keys."""
    _state.typed.clear()


@contextlib.contextmanager
def left_passwords() -> Iterator[int | None]:
    """Provide the descriptor of a file with all typed passwords; None if there are none."""
    if not _state.typed:
        yield None
        return
    with open(os.memfd_create("passwords"), "w", encoding="utf-8") as file:
        json.dump(_state.typed, file)
        file.flush()
        yield file.fileno()


def take_passwords(fd: int) -> None:
    """Read the passwords from the file of left_passwords(); the descriptor stays open."""
    found = json.loads(os.pread(fd, os.fstat(fd).st_size, 0))
    if isinstance(found, Mapping):
        _state.typed.update(found)


def _is_at_terminal() -> bool:
    """Return whether this process is in the foreground of a terminal, so that reading works."""
    try:
        fd = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt, so that getpass restores the terminal."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
