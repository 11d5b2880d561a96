"""The test's side of the injected faults: the library is built, rules are written and armed.

The board is a file that the test and all processes it disturbs map; library/board.h has the same
layout.
"""

import contextlib
import errno
import hashlib
import mmap
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SOURCES = Path(__file__).parent / "library"
ROOT = Path(__file__).parents[2]
VARIABLE = "FAULTS_BOARD"
FLAGS = ("-O2", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror")

# Every call that a rule may name. Wrappers of libc that do the same go by one name.
CALLS = (
    *("epoll_create1", "epoll_ctl_add", "epoll_ctl_mod", "epoll_ctl_del"),
    *("epoll_wait", "epoll_pwait", "epoll_pwait2", "poll"),
    *("eventfd", "socket", "socketpair", "bind", "listen", "accept", "accept4", "connect"),
    *("getsockopt", "setsockopt", "getsockname", "getpeername", "shutdown"),
    *("read", "write", "readv", "writev", "recv", "send", "recvfrom", "sendto", "recvmsg"),
    *("sendmsg", "recvmmsg", "sendmmsg", "sendfile", "open", "fcntl", "ioctl", "pipe2"),
    *("dup", "dup2", "dup3", "close", "mmap", "fork", "execve", "waitpid", "waitid", "kill"),
    *("setuid", "setgid", "setresuid", "setresgid", "setgroups", "chown", "chmod", "unlink"),
    *("rename", "prctl", "pidfd_open", "syscall", "mprotect"),
)

_HEADER = struct.Struct("=II")
_RULE = struct.Struct("=24s24siiQQIIiIQQQQ")
_COUNTER = struct.Struct("=24sQ")
_SEEN_AND_HITS = struct.Struct("=QQ")
_RULE_COUNT = 8
_COUNTER_COUNT = 128
_COUNTERS_OFFSET = _HEADER.size + _RULE_COUNT * _RULE.size
_BOARD_BYTES = _COUNTERS_OFFSET + _COUNTER_COUNT * _COUNTER.size
_FOREVER = 2**64 - 1

assert len(CALLS) <= _COUNTER_COUNT


class NoCompilerError(Exception):
    """This machine cannot build the library; tests that need it are skipped."""


@dataclass(frozen=True)
class Rule:
    """Which calls fail, and how; see parse() for its text form."""

    call: str
    error: int | None = None  # an errno; None: the call falls short
    first: int = 1  # of the calls that match, those from this number on,
    last: int | None = None  # up to and with this; None: only the first
    short_count: int = 1  # bytes, or messages, that a short call may move
    percent: int = 0  # if not 0, so many of those in a hundred, chosen by the seed
    seed: int = 0
    pid: int = 0  # only this process; minus: any but that
    main_thread: bool = False
    fd_kind: str = ""  # stream, datagram, seqpacket, pipe, file, other
    argument: int | None = None  # flags, operation ...; see library/wrappers.c
    argument_mask: int = _FOREVER

    def __post_init__(self) -> None:
        if self.call not in CALLS:
            raise ValueError(f"no such call: {self.call!r}")

    @classmethod
    def parse(cls, text: str, pid: int = 0) -> Self:
        """Read CALL:ERRNO[:N | :FIRST-[LAST]][%PERCENT/SEED]; `short` stands for no errno."""
        text, _, chance = text.partition("%")
        percent, _, seed = chance.partition("/")
        call, error, *numbers = text.split(":")
        first, dash, last = (numbers or ["1"])[0].partition("-")
        return cls(
            call,
            None if error == "short" else getattr(errno, error),
            int(first),
            (int(last) if last else _FOREVER) if dash else None,
            percent=int(percent or 0),
            seed=int(seed or 0),
            pid=pid,
        )

    def __str__(self) -> str:
        error = "short" if self.error is None else errno.errorcode[self.error]
        last = "" if self.last is None else "-" if self.last == _FOREVER else f"-{self.last}"
        chance = f"%{self.percent}/{self.seed}" if self.percent else ""
        return f"{self.call}:{error}:{self.first}{last}{chance}"

    def packed(self) -> bytes:
        """Return what the library reads."""
        return _RULE.pack(
            self.call.encode(),
            self.fd_kind.encode(),
            self.error or 0,
            self.short_count,
            self.first,
            self.first if self.last is None else self.last,
            self.percent,
            self.seed,
            self.pid,
            self.main_thread,
            0 if self.argument is None else self.argument_mask,
            self.argument or 0,
            0,
            0,
        )


class Board:
    """The shared memory of one test and the processes it disturbs."""

    def __init__(self, path: str | Path, create: bool = False) -> None:
        self.path = Path(path)
        if create:
            self.path.write_bytes(bytes(_BOARD_BYTES))
        with self.path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _BOARD_BYTES)
        if create:
            for i, call in enumerate(CALLS):
                _COUNTER.pack_into(self._memory, self._counter(i), call.encode(), 0)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables of a process that is to be disturbed."""
        libraries = [str(build_library()), *filter(None, [os.environ.get("LD_PRELOAD")])]
        return {"LD_PRELOAD": ":".join(libraries), VARIABLE: str(self.path)}

    def arm(self, *rules: Rule) -> None:
        """Let the rules strike from now on; all counters begin anew."""
        self.disarm()
        for i in range(_RULE_COUNT):
            packed = rules[i].packed() if i < len(rules) else bytes(_RULE.size)
            start = _HEADER.size + i * _RULE.size
            self._memory[start : start + _RULE.size] = packed
        for i, call in enumerate(CALLS):
            _COUNTER.pack_into(self._memory, self._counter(i), call.encode(), 0)
        _HEADER.pack_into(self._memory, 0, 1, 0)

    def disarm(self) -> None:
        """Let every call pass."""
        _HEADER.pack_into(self._memory, 0, 0, 0)

    @contextlib.contextmanager
    def armed(self, *rules: Rule) -> Iterator[None]:
        """Let the rules strike inside the block."""
        self.arm(*rules)
        try:
            yield
        finally:
            self.disarm()

    def hits(self, index: int = 0) -> int:
        """Return how many calls a rule has struck."""
        return self._seen_and_hits(index)[1]

    def seen(self, index: int = 0) -> int:
        """Return how many calls a rule could have struck."""
        return self._seen_and_hits(index)[0]

    def counts(self) -> dict[str, int]:
        """Return how often each call was made while armed, by any process."""
        pairs = [_COUNTER.unpack_from(self._memory, self._counter(i))[1] for i in range(len(CALLS))]
        return {call: count for call, count in zip(CALLS, pairs, strict=True) if count}

    def close(self) -> None:
        """Unmap it; the file stays its maker's."""
        self._memory.close()

    def _seen_and_hits(self, index: int) -> tuple[int, int]:
        end = _HEADER.size + (index + 1) * _RULE.size
        return _SEEN_AND_HITS.unpack_from(self._memory, end - _SEEN_AND_HITS.size)

    @staticmethod
    def _counter(index: int) -> int:
        return _COUNTERS_OFFSET + index * _COUNTER.size


@contextlib.contextmanager
def new_board() -> Iterator[Board]:
    """Make a board for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="ngxloop-faults-") as folder:
        board = Board(Path(folder) / "board", create=True)
        Path(folder).chmod(0o711)  # workers of another user map it, too
        board.path.chmod(0o666)
        yield board
        board.close()


def compiler() -> str | None:
    """Return the C compiler, None if this machine has none."""
    return shutil.which(os.environ.get("CC", "")) or shutil.which("cc") or shutil.which("gcc")


def build_library() -> Path:
    """Return the library, which is compiled if its sources have changed.

    Raises:
        NoCompilerError: there is none, and the library has not been built before.
    """
    digest = hashlib.sha256(repr(FLAGS).encode())
    for source in sorted(SOURCES.iterdir()):
        digest.update(source.read_bytes())
    library = ROOT / "build" / "faults" / f"injector-{digest.hexdigest()[:16]}.so"
    if library.exists():
        return library
    cc = compiler()
    if cc is None:
        raise NoCompilerError("fault injection needs a C compiler: install gcc, or name one in CC")
    library.parent.mkdir(parents=True, exist_ok=True)
    fresh = library.with_suffix(f".{os.getpid()}")  # another run may build it, too
    sources = [str(source) for source in sorted(SOURCES.glob("*.c"))]
    subprocess.run([cc, *FLAGS, "-o", str(fresh), *sources, "-ldl"], check=True)
    fresh.rename(library)
    return library


def symbols(file: Path, *options: str) -> set[str]:
    """Return the dynamic symbols of a file, without their versions."""
    output = subprocess.run(
        ["nm", "-D", *options, str(file)], capture_output=True, text=True, check=True
    ).stdout
    return {re.sub("@.*", "", line.split()[-1]) for line in output.splitlines()}
