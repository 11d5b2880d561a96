"""Python programs that run beside a test: started, waited for by what they print, and ended."""

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.waiting import DEADLINE

PROJECT = Path(__file__).parents[2]


class Program:
    """`python ARGUMENTS` with the project on its path; stdout and stderr are read as one text.

    A context manager: at its end the program is killed if it still runs.
    """

    def __init__(self, *arguments: str) -> None:
        self.output = ""
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Read on until the output matches a regular expression; fail after DEADLINE seconds."""
        end = time.monotonic() + DEADLINE
        while not (match := re.search(pattern, self.output)):
            if not self._read(end - time.monotonic()):
                raise AssertionError(f"{pattern!r} was not printed, but:\n{self.output}")
        return match

    def end(self, number: signal.Signals | None = None) -> int:
        """Send a signal, if one is given, and wait for the exit code; the output is complete."""
        if number is not None:
            self.process.send_signal(number)
        end = time.monotonic() + DEADLINE
        while self._read(end - time.monotonic()):
            pass
        try:
            return self.process.wait(max(0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the program does not end; it printed:\n{self.output}") from None

    def _read(self, seconds: float) -> bool:
        """Read some more of the output; return False at its end, or when the time is over."""
        stdout = self.process.stdout
        readable, _, _ = select.select([stdout], [], [], max(0, seconds))
        chunk = os.read(stdout.fileno(), 65536) if readable else b""
        self.output += chunk.decode(errors="replace")
        return bool(chunk)
