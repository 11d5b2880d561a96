"""What the launcher writes: events on standard error or in a file, the log of requests, complaints.

The master sets the logs up before the first fork; a worker again, for its name. An application that
configures logging (logging.config.dictConfig) disables every logger it does not know and closes
all handlers: restore() undoes that for ours, and is called when the application has been loaded and
when it has started.
"""

import contextlib
import dataclasses
import logging
import os
import sys
from collections.abc import Iterator

from ngxloop.serving.logs.logfiles import LogFile, RefusedFileError
from ngxloop.serving.logs.logformats import Writer, make_formatter
from ngxloop.serving.options.logging import STANDARD_OUTPUT, LogOptions

log: logging.Logger = logging.getLogger("ngxloop.serve")
MASTER = Writer("master")
# Ours, and that of our own HTTP server, whose lines are for the same reader.
_event_loggers = [log, logging.getLogger("ngxloop.http")]
_access_loggers = [
    logging.getLogger(name) for name in ("ngxloop.access", "uvicorn.access", "aiohttp.access")
]
# Which applications write to, as they were written for uvicorn.
_LENT_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access")
_ACCESS_LINE = logging.Formatter("%(asctime)s %(process)d %(message)s")
_STANDARD_ERROR_FD = 2


class _EventHandler(logging.Handler):
    """Ours for the launcher's lines; its own class, so that we find it again."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record) + "\n"
        except Exception:  # an argument that cannot be formatted: logging says which
            self.handleError(record)
        else:
            self.write(text)

    def write(self, text: str) -> None:
        """Write a line and its end."""
        show(text)


class _LentHandler(_EventHandler):
    """Ours for lines of the application, which it may handle itself at any time."""

    def emit(self, record: logging.LogRecord) -> None:
        if _state.events is not None and not _is_handled(record.name):
            _state.events.emit(record)


class _AccessHandler(_EventHandler):
    """Ours for the lines of requests: to a file, or to standard output."""

    def __init__(self, formatter: logging.Formatter, file: LogFile | None) -> None:
        super().__init__(formatter)
        self._file = file

    def write(self, text: str) -> None:
        if self._file is not None:
            self._file.write(text)
        elif sys.stdout is not None:
            with contextlib.suppress(OSError):
                sys.stdout.write(text)
                sys.stdout.flush()


@dataclasses.dataclass
class _State:
    """What is set up now; one for the process, as the loggers are."""

    options: LogOptions = dataclasses.field(default_factory=LogOptions)
    writer: Writer = MASTER
    events: _EventHandler | None = None
    access: _AccessHandler | None = None
    error_file: LogFile | None = None
    access_file: LogFile | None = None
    terminal_fd: int = -1  # where standard error went before it went to a file; in the master


_state = _State()


def set_up_logs(options: LogOptions, writer: Writer = MASTER, owner_uid: int | None = None) -> None:
    """Open the files and send the launcher's lines there, marked with who writes them.

    A handler that the embedding program has put on the logger stays, and is the only one.

    Args:
        options: What is to be written where; in the master again after a reload.
        writer: Who we are.
        owner_uid: The user of the workers, which open the files again; None for our own.

    Raises:
        StartError: A file cannot be opened.
    """
    _open_files(options, owner_uid)
    _state.options, _state.writer = options, writer
    _state.events = _EventHandler(make_formatter(options.log_format, writer))
    _state.access = None
    if options.access_log is not None:
        line = _ACCESS_LINE if options.access_log_format is None else None
        _state.access = _AccessHandler(_access_formatter(line), _state.access_file)
    if writer is not MASTER:
        release_terminal()
    _restore()


def restore() -> None:
    """Put our handlers on their loggers, whatever somebody did to them; where APP is loaded.

    What the application writes to the loggers of uvicorn gets into our log, unless it has handlers
    for it.
    """
    _restore()
    for name in _LENT_LOGGERS:
        logging.getLogger(name).disabled = False
    logger = logging.getLogger(_LENT_LOGGERS[0])  # which the others pass their lines to
    if not any(isinstance(one, _LentHandler) for one in logger.handlers):
        logger.addHandler(_LentHandler(logging.Formatter()))
    if logger.level == logging.NOTSET:
        logger.setLevel(_state.options.log_threshold)


def reopen() -> None:
    """Open the log files again: they were renamed. In the master before the workers."""
    for file in _files():
        try:
            file.reopen()
        except OSError as error:
            # the master has logged it already
            is_known = isinstance(error, RefusedFileError) and _state.writer is not MASTER
            write = log.debug if is_known else log.error
            write("cannot reopen %s: %s; still writing to the old file", file.path, error.strerror)


def complain(line: str, traceback: str = "") -> None:
    """Write the one line that says why serving is impossible, below the user's traceback."""
    if _state.options.log_format == "json" and _state.events is not None:
        record = _record(f"ngxloop-serve: {line}", traceback)
        text = _state.events.format(record) + "\n"
    else:
        text = f"{traceback}ngxloop-serve: {line}\n"
    show(text)
    if _state.terminal_fd >= 0:
        with contextlib.suppress(OSError):
            os.write(_state.terminal_fd, f"{traceback}ngxloop-serve: {line}\n".encode())


def report(line: str, traceback: str = "") -> None:
    """Log an error of the application, with its traceback."""
    log.error("%s", line, extra={"user_traceback": traceback})


def show(text: str) -> None:
    """Write to standard error, if somebody reads it: a log that is gone ends no master."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)
            sys.stderr.flush()


# Private -----------------------------------------------------------------------------------------


def _restore() -> None:
    for logger in _event_loggers:
        logger.disabled = False
        if _state.events is not None and not _has_others(logger):
            _put(logger, _state.events)
            logger.setLevel(_state.options.log_threshold)
    for logger in _access_loggers:
        # to the standard output only if the application does not send them there, or elsewhere
        if _state.access and (_state.access_file or not _has_others(logger)):
            _put(logger, _state.access)
            logger.setLevel(logging.INFO)


def _is_handled(name: str) -> bool:
    """Say whether somebody else handles the lines of a logger."""
    logger: logging.Logger | None = logging.getLogger(name)
    while logger is not None:
        if _has_others(logger):
            return True
        logger = logger.parent if logger.propagate else None
    return False


def _has_others(logger: logging.Logger) -> bool:
    """Say whether a logger has a handler of somebody else."""
    return any(not isinstance(handler, _EventHandler) for handler in logger.handlers)


def _put(logger: logging.Logger, handler: _EventHandler) -> None:
    for old in [one for one in logger.handlers if isinstance(one, _EventHandler)]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.disabled = False
    logger.propagate = False


def _access_formatter(line: logging.Formatter | None) -> logging.Formatter:
    if _state.options.log_format == "json":
        return make_formatter("json", _state.writer, line)
    return line or logging.Formatter("%(message)s")


def _record(message: str, traceback: str) -> logging.LogRecord:
    return log.makeRecord(
        log.name, logging.CRITICAL, "", 0, message, (), None, extra={"user_traceback": traceback}
    )


def _files() -> Iterator[LogFile]:
    yield from filter(None, (_state.error_file, _state.access_file))


def _open_files(options: LogOptions, owner_uid: int | None) -> None:
    """Open what the options name, unless that is open already; close what they no longer name."""
    wanted = None if options.access_log == STANDARD_OUTPUT else options.access_log
    old = _state.access_file
    if not _is_open(old, wanted):
        _state.access_file = None if wanted is None else LogFile(wanted, owner_uid=owner_uid)
        if old is not None:
            old.close()
    if not _is_open(_state.error_file, options.error_log):
        _redirect_standard_error(options.error_log, owner_uid)
    for file in _files():
        file.owner_uid = owner_uid


def _is_open(file: LogFile | None, wanted: str | None) -> bool:
    if file is None or wanted is None:
        return file is None and wanted is None
    return os.path.abspath(wanted) == file.path


def _redirect_standard_error(path: str | None, owner_uid: int | None) -> None:
    """Let descriptor 2 be the file, or what it was in the beginning.

    So the file gets all that a process can say: warnings, crashes of C code, tracebacks. nginx does
    the same (ngx_log_redirect_stderr).
    """
    if _state.terminal_fd < 0:
        _state.terminal_fd = os.dup(_STANDARD_ERROR_FD)
    if path is not None:
        _state.error_file = LogFile(path, _STANDARD_ERROR_FD, owner_uid)
        return
    _state.error_file = None
    os.dup2(_state.terminal_fd, _STANDARD_ERROR_FD)
    release_terminal()


def leave_standard_error() -> None:
    """Write to no standard error, but complaints; for a daemon, before it opens its log."""
    _state.terminal_fd = os.dup(_STANDARD_ERROR_FD)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, _STANDARD_ERROR_FD)
    os.close(nothing)


def release_terminal() -> None:
    """Write complaints to the error log only, from now on."""
    if _state.terminal_fd >= 0:
        os.close(_state.terminal_fd)
        _state.terminal_fd = -1
