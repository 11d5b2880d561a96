"""A program at a terminal of its own, to which a test types."""

import contextlib
import os
import pty
import re
import select
import signal
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.serving.support import DEADLINE, environment


class AtTerminal:
    """Runs a command line; at the end of the block it is killed if it still runs."""

    def __init__(self, line: Sequence[str]) -> None:
        self.text = ""  # what the terminal has shown
        self._seen = 0
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvpe(line[0], line, environment())
        self._is_reaped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._is_reaped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def type(self, text: bytes) -> None:
        """Type something."""
        os.write(self._fd, text)

    def shown(self, pattern: str) -> re.Match[str]:
        """Wait for a piece of what is shown, behind the one that the last call found."""
        deadline = time.monotonic() + DEADLINE
        while True:
            found = re.compile(pattern).search(self.text, self._seen)
            if found:
                self._seen = found.end()
                return found
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"not shown: {pattern!r}; the terminal:\n{self.text}")

    def ended(self) -> int:
        """Wait for the end and return the exit code."""
        deadline = time.monotonic() + DEADLINE
        while self._read(deadline - time.monotonic()):
            pass
        _, status = os.waitpid(self.pid, 0)
        self._is_reaped = True
        return os.waitstatus_to_exitcode(status)

    def _read(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if seconds <= 0 or not poll.poll(seconds * 1000):
            return False
        try:
            data = os.read(self._fd, 4096)
        except OSError:  # EIO: nobody has the other end
            return False
        self.text += data.decode()
        return bool(data)
