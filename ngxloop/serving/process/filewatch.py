"""--reload: reload when a source file changes; for development.

A child of the master watches, with the package watchfiles, and sends it a HUP for each change: the
master has no threads. So what is not yet correct code changes nothing, as with every reload. If the
child dies, the master ends with an error, as uvicorn does: without it changes would have no effect,
and their author would look for the reason everywhere but here.
"""

import contextlib
import importlib
import importlib.util
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from ngxloop.serving.base.errors import ConfigError, ExitCode, StartError
from ngxloop.serving.logs.logformats import Writer
from ngxloop.serving.logs.logs import log, set_up_logs
from ngxloop.serving.options.logging import LogOptions
from ngxloop.serving.process.parent import signal_on_parent_death
from ngxloop.serving.process.process import exit_reason, fork_child
from ngxloop.serving.process.titles import set_title

_MISSING = "needs the package watchfiles; pip install 'ngxloop[reload]'"


def check_watched_folders(folders: Sequence[str]) -> None:
    """See whether it would work.

    Raises:
        ConfigError: A folder or the package is missing.
    """
    if importlib.util.find_spec("watchfiles") is None:
        raise ConfigError("reload", _MISSING)
    for folder in folders:
        if not Path(folder).is_dir():
            raise ConfigError("reload-dir", f"there is no folder {folder!r}; give another")


class FileWatcher:
    """The child that sends its parent a HUP whenever a Python file below the folders changes.

    Args:
        folders: Where to look.
        logs: Where it writes to.
        forget: Closes, in the child, what belongs to the master.
        on_gone: Called with the reason if it ends before close().

    Raises:
        StartError: It cannot be forked.
    """

    def __init__(
        self,
        folders: Sequence[str],
        logs: LogOptions,
        forget: Callable[[], None],
        on_gone: Callable[[StartError], None],
    ) -> None:
        master_pid, found = os.getpid(), [os.path.abspath(folder) for folder in folders]
        self._on_gone = on_gone
        try:
            self.pid: int = fork_child(forget, lambda: _watch(master_pid, found, logs))
        except OSError as error:
            line = f"cannot fork the process that watches files for --reload: {error}"
            raise StartError(ExitCode.WATCHER_GONE, line) from error

    def ended(self, code: int) -> None:
        """It was reaped, and this is its exit code; for the parent to call."""
        self.pid = 0
        line = f"the process that watches files for --reload {exit_reason(code)}"
        self._on_gone(StartError(ExitCode.WATCHER_GONE, f"{line}; ending"))

    def close(self) -> None:
        """End it."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):  # reaped by a hook
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            self.pid = 0


def _watch(master_pid: int, folders: Sequence[str], logs: LogOptions) -> int:
    set_title("watcher")
    set_up_logs(logs, Writer("watcher"))
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # to the whole group: the master ends us
    if not signal_on_parent_death(signal.SIGKILL, master_pid):
        return ExitCode.OK
    watchfiles = importlib.import_module("watchfiles")
    log.info("watching %s", ", ".join(folders))
    watched = watchfiles.watch(*folders, watch_filter=watchfiles.PythonFilter())
    for changes in watched:
        names = sorted(os.path.relpath(path) for _, path in changes)
        log.info("changed: %s", ", ".join(names))
        os.kill(master_pid, signal.SIGHUP)
    return ExitCode.OK
