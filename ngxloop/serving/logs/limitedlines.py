"""Lines about what clients can cause at any rate: one in LOG_SECONDS, with a count of the rest."""

import time
from collections.abc import Callable

LOG_SECONDS = 10.0


class LimitedLines:
    """Lines of one kind.

    Args:
        write: A method of a logger.
    """

    def __init__(self, write: Callable[..., object]) -> None:
        self._write = write
        self._quiet_until = 0.0
        self._left_out = 0

    def add(self, line: str, *arguments: object) -> None:
        """Log a line, or count it; arguments as for a logger."""
        now = time.monotonic()
        if now < self._quiet_until:
            self._left_out += 1
            return
        self._quiet_until = now + LOG_SECONDS
        left_out, self._left_out = self._left_out, 0
        more = f" ({left_out} more since the last line)" if left_out else ""
        self._write(line + more, *arguments)
