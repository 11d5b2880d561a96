"""StackPipe: where one worker writes the stacks of its threads, and the master reads them.

Each worker has a pipe of its own, so that the stacks of several are not mixed, and the master can
say whose they are. Nobody waits: both ends are nonblocking. What does not fit into the pipe, which
has 64 KiB, is lost. The text is the worker's, which is not trusted: its end is shown, escaped.
"""

import contextlib
import os
from pathlib import Path

from ngxloop.serving.base.plaintext import many_lines
from ngxloop.serving.process.process import close_private, keep_private

_PIPE_BYTES = 64 * 1024  # pipe(7); an unprivileged worker can make it 1 MiB
_TEXT_CHARACTERS = 64 * 1024
# The state of a process that writes nothing, proc_pid_stat(5).
_CONDITIONS = {"T": "is stopped", "t": "is stopped by a debugger", "D": "waits inside the kernel"}


class StackPipe:
    """The master's side of the pipe of one worker.

    Raises:
        OSError: There is no descriptor left.
    """

    def __init__(self) -> None:
        read_fd, write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._read_fd: int = read_fd
        self.write_fd: int = write_fd
        keep_private(read_fd)

    def close_write(self) -> None:
        """Close the worker's end in the master: it has been forked."""
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def read(self) -> str:
        """Return what the worker has written since the last call."""
        if self._read_fd < 0:
            return ""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._read_fd, _PIPE_BYTES)
            return many_lines(data.decode(errors="replace"), _TEXT_CHARACTERS)
        return ""

    def close(self) -> None:
        """Close both ends; harmless when closed."""
        self.close_write()
        if self._read_fd >= 0:
            close_private(self._read_fd)
            self._read_fd = -1


def find_condition(pid: int) -> str:
    """Say why a process wrote no stacks, as far as the kernel tells."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError, UnicodeDecodeError):
        state = ""
    return _CONDITIONS.get(state, "does not answer")
