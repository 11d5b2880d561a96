"""A process under measurement: started on its core, read with a deadline, killed at the end.

CPU time is taken from wait4 when the process has been killed, minus what it had used when it
announced itself. So nothing in the process has to listen for commands while it is measured, and
the C server is measured exactly as the loops are.
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

from benchmarks.harness import messages
from benchmarks.harness.contenders import ROOT
from benchmarks.harness.cores import Cores, running_on
from benchmarks.harness.question import CaseFailedError
from benchmarks.harness.usage import Usage

READ_BYTES = 65536
ERROR_BYTES = 4096  # how much of the end of stderr is looked at
END_SECONDS = 0.5  # how long a process may take to die by itself before it is asked why


class MeasuredProcess:
    """Use as a context manager: the process and what it started are gone afterwards."""

    def __init__(
        self,
        command: list[str],
        cores: Cores,
        limit_seconds: float,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start a command on some cores; it must be done within the limit.

        Args:
            variables: environment variables that it gets beside ours.
        """
        self._deadline = time.monotonic() + limit_seconds
        self._limit_seconds = limit_seconds
        self._received = b""
        self._exit: tuple[int, Usage] | None = None
        self._files = contextlib.ExitStack()
        self._errors = os.memfd_create("stderr")
        self._files.callback(os.close, self._errors)
        with running_on(cores):
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                cwd=ROOT,
                env={**_clean_environment(), **(variables or {})},
                start_new_session=True,
                bufsize=0,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin = self._files.enter_context(self._process.stdin)
        self._stdout = self._files.enter_context(self._process.stdout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()
        self._files.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def send_line(self, line: str) -> None:
        """Write a line to the process's stdin; CaseFailedError if it has ended."""
        try:
            self._stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise CaseFailedError(self._explain_end()) from None

    def receive(self) -> messages.Message:
        """Wait for the next message; CaseFailedError with the reason if none comes."""
        while b"\n" not in self._received:
            chunk = self._read_chunk()
            if not chunk:
                raise CaseFailedError(self._explain_end())
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        message = messages.parse(line)
        if "error" in message:
            raise CaseFailedError(str(message["error"]))
        return message

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Name this process's end, or its last complaint, as the cause if the block fails."""
        try:
            yield
        except CaseFailedError as error:
            if self._ends_soon():
                self.receive()  # raises what it said before it ended, or how it ended
            raise CaseFailedError(f"{error}{self._last_complaint()}") from error

    def kill(self) -> Usage:
        """Kill the process with all it started; return the CPU time it used in its life."""
        if self._exit is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self._wait(0)
        assert self._exit is not None
        return self._exit[1]

    def _read_chunk(self) -> bytes:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            if not selector.select(max(0.0, self._deadline - time.monotonic())):
                raise CaseFailedError(f"hangs: not done after {self._limit_seconds:.0f} s")
        return os.read(self._stdout.fileno(), READ_BYTES)

    def _wait(self, options: int) -> bool:
        if self._exit is not None:
            return True
        pid, status, used = os.wait4(self.pid, options)
        if pid == 0:
            return False
        code = os.waitstatus_to_exitcode(status)
        self._process.returncode = code  # so that Popen does not wait for it a second time
        self._exit = (code, Usage(used.ru_utime, used.ru_stime))
        return True

    def _ends_soon(self) -> bool:
        if self._exit is None:
            with selectors.DefaultSelector() as selector, _pidfd(self.pid) as fd:
                selector.register(fd, selectors.EVENT_READ)
                selector.select(END_SECONDS)
        return self._wait(os.WNOHANG)

    def _explain_end(self) -> str:
        if not self._ends_soon() or self._exit is None:
            return f"closed its output{self._last_complaint()}"
        code = self._exit[0]
        if code < 0:
            return f"died of {signal.Signals(-code).name}{self._last_complaint()}"
        return self._last_complaint().removeprefix(": ") or f"exited with {code}"

    def _last_complaint(self) -> str:
        """Return the last line of stderr, to be appended to a reason, or nothing."""
        said = os.pread(
            self._errors, ERROR_BYTES, max(0, os.fstat(self._errors).st_size - ERROR_BYTES)
        )
        lines = said.decode(errors="replace").strip().splitlines()
        # That the client went away is no cause: it goes away when it has found a mistake.
        if not lines or lines[-1].startswith(("ConnectionResetError", "BrokenPipeError")):
            return ""
        return f": {lines[-1].strip()}"


def python_command(*arguments: str) -> list[str]:
    """Return the command line of a module run by this interpreter."""
    return [sys.executable, "-m", *arguments]


@contextlib.contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    """Give a descriptor that is readable when the process, our child, has ended."""
    fd = os.pidfd_open(pid)
    try:
        yield fd
    finally:
        os.close(fd)


def _clean_environment() -> dict[str, str]:
    """Leave out what would slow a loop down unseen."""
    slowing = {"PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONMALLOC", "PYTHONTRACEMALLOC"}
    return {name: value for name, value in os.environ.items() if name not in slowing}
