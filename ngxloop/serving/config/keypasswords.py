"""Passwords of private keys that were typed at the terminal: asked for once, kept for reloads.

Only the command asks, before it serves: a master that waits for a person serves nobody meanwhile.
A new master after USR2 gets what was typed from the old one.
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
    """What this process knows."""

    typed: dict[str, str] = dataclasses.field(default_factory=dict)  # by the file of the key
    is_asking: bool = False


_state = _State()


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Ask for passwords that are missing meanwhile, if there is a terminal."""
    _state.is_asking = True
    try:
        yield
    finally:
        _state.is_asking = False


def typed_password(path: str) -> str | None:
    """Return the password of an encrypted key, asked for now or before; None if nobody says it.

    Raises:
        KeyboardInterrupt, EOFError: The person at the terminal wants to end.
    """
    path = os.path.abspath(path)
    if path not in _state.typed and _state.is_asking and _is_at_terminal():
        with _interruptible():
            _state.typed[path] = getpass.getpass(f"password of {path}: ")
    return _state.typed.get(path)


def forget_password(path: str) -> None:
    """Ask again next time: it was wrong."""
    _state.typed.pop(os.path.abspath(path), None)


@contextlib.contextmanager
def left_passwords() -> Iterator[int | None]:
    """Give the descriptor of a file with what was typed; None if nothing was."""
    if not _state.typed:
        yield None
        return
    with open(os.memfd_create("passwords"), "w", encoding="utf-8") as file:
        json.dump(_state.typed, file)
        file.flush()
        yield file.fileno()


def take_passwords(fd: int) -> None:
    """Know what another process has left in such a file; the descriptor stays open."""
    found = json.loads(os.pread(fd, os.fstat(fd).st_size, 0))
    if isinstance(found, Mapping):
        _state.typed.update(found)


def _is_at_terminal() -> bool:
    """Say whether this process may read from the terminal now: in the background it is stopped."""
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
    """Let Ctrl-C end the wait, which leaves the terminal as it was."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGINT, handler)
