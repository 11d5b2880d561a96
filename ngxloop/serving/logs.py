"""Lines of the launcher on standard error: events with time and worker, and complaints."""

import contextlib
import logging
import sys

log = logging.getLogger("ngxloop.serve")
_access_names = ("uvicorn.access", "aiohttp.access")


def set_up_logs(threshold: int, who: str) -> None:
    """Send the launcher's events to standard error, marked with who writes them.

    A handler that the embedding program has put on the logger stays, and is the only one.
    """
    ours = [handler for handler in log.handlers if isinstance(handler, _Handler)]
    if log.handlers and not ours:
        return
    for handler in ours:
        log.removeHandler(handler)
    log.addHandler(_Handler(who))
    log.setLevel(threshold)
    log.propagate = False


def set_up_access_log() -> None:
    """Send one line for each request to standard output, for the servers that write such lines."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(process)d %(message)s"))
    for name in _access_names:
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def complain(line: str, traceback: str = "") -> None:
    """Write the one line that says why serving is impossible, below the user's traceback."""
    show(f"{traceback}ngxloop-serve: {line}\n")


def show(text: str) -> None:
    """Write to standard error, if somebody reads it: a log that is gone ends no master."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


class _Handler(logging.StreamHandler):  # type: ignore[type-arg]
    """Ours, so that a worker can replace the master's."""

    def __init__(self, who: str) -> None:
        super().__init__(sys.stderr)
        text = f"%(asctime)s.%(msecs)03d %(levelname)-7s {who}[%(process)d] %(message)s"
        self.setFormatter(logging.Formatter(text, "%Y-%m-%d %H:%M:%S"))
