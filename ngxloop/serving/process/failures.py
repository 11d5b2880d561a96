"""Failures of the master's handlers: counted for the status, logged at a limited rate.

Rule. At most one line in LOG_SECONDS for each name; the next line says how many were left out. The
number of names is fixed, so the rate of the log is bounded, however often a handler fails.
"""

import time
import traceback

from ngxloop.serving.base.handlernames import REMEDIES, HandlerName
from ngxloop.serving.base.plaintext import many_lines, one_line
from ngxloop.serving.logs.logs import log

LOG_SECONDS = 10.0
_TRACEBACK_FRAMES = 20  # the innermost; a RecursionError has a thousand
_TRACEBACK_CHARACTERS = 8000


class Failures:
    """How often each handler has failed."""

    def __init__(self) -> None:
        self.counts: dict[HandlerName, int] = dict.fromkeys(HandlerName, 0)
        self.last: str = ""  # name and exception of the last one
        self._left_out: dict[HandlerName, int] = dict.fromkeys(HandlerName, 0)
        self._quiet_until: dict[HandlerName, float] = dict.fromkeys(HandlerName, 0.0)

    @property
    def total(self) -> int:
        """How many there were."""
        return sum(self.counts.values())

    def note(self, name: HandlerName, error: BaseException, subject: object = None) -> None:
        """Count a failure, and log it unless the last line is too recent; never raises.

        Args:
            name: Of the handler.
            error: What it raised.
            subject: The worker or process that it was about, for the log.
        """
        self.counts[name] += 1
        try:
            self._log(name, error, subject)
        except Exception:  # memory or the log itself has failed: the count says enough
            return

    def _log(self, name: HandlerName, error: BaseException, subject: object) -> None:
        kind = type(error).__name__
        text = one_line(f"{kind}: {error}" if str(error) else kind)
        self.last = f"{name}: {text}"
        now = time.monotonic()
        if now < self._quiet_until[name]:
            self._left_out[name] += 1
            return
        self._quiet_until[name] = now + LOG_SECONDS
        left_out, self._left_out[name] = self._left_out[name], 0
        before = f" ({left_out} more since the last line)" if left_out else ""
        owner = f" of {subject}" if subject is not None else ""
        frames = traceback.format_exception(error, limit=-_TRACEBACK_FRAMES)
        log.error(
            "the handler %r%s failed: %s; %s%s",
            str(name),
            owner,
            text,
            REMEDIES[name],
            before,
            extra={"user_traceback": many_lines("".join(frames), _TRACEBACK_CHARACTERS)},
        )
