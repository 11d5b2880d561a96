"""--reload: reload when a source file changes; for development.

A child of the master watches, with the package watchfiles, and sends it a HUP for each change: the
master has no threads. So what is not yet correct code changes nothing, as with every reload.
"""

import importlib
import importlib.util
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from ngxloop.serving.errors import ConfigError, ExitCode
from ngxloop.serving.logformats import Writer
from ngxloop.serving.logs import log, set_up_logs
from ngxloop.serving.options.logging import LogOptions
from ngxloop.serving.parent import signal_on_parent_death
from ngxloop.serving.process import fork_worker
from ngxloop.serving.titles import set_title

_MISSING = "needs the package watchfiles; pip install 'ngxloop[reload]'"


def check_watching(folders: Sequence[str]) -> None:
    """See whether it would work.

    Raises:
        ConfigError: A folder or the package is missing.
    """
    if importlib.util.find_spec("watchfiles") is None:
        raise ConfigError("reload", _MISSING)
    for folder in folders:
        if not Path(folder).is_dir():
            raise ConfigError("reload-dir", f"there is no folder {folder!r}; give another")


def watch(folders: Sequence[str], logs: LogOptions) -> None:
    """Start the child that sends us a HUP whenever a Python file below the folders changes."""
    master_pid, found = os.getpid(), [os.path.abspath(folder) for folder in folders]
    fork_worker(lambda: None, lambda: _watch(master_pid, found, logs))


def _watch(master_pid: int, folders: Sequence[str], logs: LogOptions) -> int:
    set_title("watcher")
    set_up_logs(logs, Writer("watcher"))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
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
