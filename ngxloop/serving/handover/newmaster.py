"""A new master from the program as it is on disk now, beside this one, on the same sockets.

nginx: ngx_exec_new_binary. The new master is our child. While both run, the operator decides: QUIT
to this one, and the new one goes on alone; QUIT to the new one, and all is as before. If the new
one dies by itself, everything that gave way to it is taken back.
"""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from ngxloop import version
from ngxloop.serving.base.guard import import_fault
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.trust import find_fault, refusal
from ngxloop.serving.fleet import events
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.handover import compatibility
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.poller import Handler, Poller
from ngxloop.serving.sockets.inherited import (
    ENDS,
    KEEPER,
    VARIABLE,
    InheritedFd,
    WorkerCount,
    pack,
)

# Read now: at an upgrade the file may be another release's.
_COMPATIBILITY_SOURCE = inspect.getsource(compatibility)


class NewMaster:
    """The new master, while there is one."""

    def __init__(
        self, tell: Callable[[events.Event], None], processes: Processes, poller: Poller
    ) -> None:
        self._tell = tell
        self._processes = processes
        self._poller = poller
        self._folder = _start_folder()
        self._process: subprocess.Popen[bytes] | None = None
        self._ready_fd = -1
        self._is_strict = False

    def set_strict(self, is_strict: bool) -> None:
        """Execute only what root alone can write: we are root, and the workers are not."""
        self._is_strict = is_strict

    def problem(self) -> str:
        """Return why the program is not started, if it is not."""
        if not self._is_strict:
            return ""
        fault = find_fault(self._folder, is_searched=True)
        fault = fault or _script_fault(self._folder) or import_fault()
        return (
            refusal(fault, "chown it to root, or start ngxloop-serve in another folder")
            if fault
            else ""
        )

    @property
    def pid(self) -> int:
        """The process id of the new master, 0 if there is none."""
        return self._process.pid if self._process else 0

    def start(self, inherited: Sequence[InheritedFd], workers: WorkerCount) -> None:
        """Start the program that was started as this one, with the same arguments.

        Args:
            inherited: What it inherits.
            workers: How many we have.

        Raises:
            OSError: That is not possible.
        """
        self._ready_fd, theirs = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        variable = pack(inherited, theirs, is_strict=self._is_strict, workers=workers)
        try:
            self._process = subprocess.Popen(
                [sys.executable, *self._arguments(inherited)],
                env={**os.environ, VARIABLE: variable},
                pass_fds=[theirs, *(one.fd for one in inherited)],
                cwd=self._folder,
            )
        except OSError:
            os.close(self._ready_fd)
            self._ready_fd = -1
            raise
        finally:
            os.close(theirs)
        self._processes.reaper.adopt(self._process.pid, self._end)
        handler = Handler(HandlerName.NEW_MASTER, self._hear, self._process.kill)
        try:
            self._poller.add(self._ready_fd, handler)
        except OSError:
            self._process.kill()  # its end is heard of as usual
            raise
        log.info("upgrading: new master started, process %d", self._process.pid)

    def close(self) -> None:
        """Close our end of the line; the new master goes on."""
        if self._ready_fd >= 0:
            self._poller.remove(self._ready_fd)
            os.close(self._ready_fd)
            self._ready_fd = -1
        if self._process is not None:
            self._process.returncode = 0  # nobody waits for it; it is not ours any more

    def close_in_worker(self) -> None:
        """Close a worker's copy of the line."""
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
        if self._process is not None:
            self._process.returncode = 0  # a child of the master, no zombie of the worker

    def _arguments(self, inherited: Sequence[InheritedFd]) -> list[str]:
        """Return the arguments of the interpreter; see compatibility.py for those with a keeper."""
        flags = self._safe_flags()
        arguments = [*flags, *sys.orig_argv[1:]]
        if any(one.kind == KEEPER for one in inherited):
            return [*flags, "-c", _COMPATIBILITY_SOURCE, *arguments]
        return arguments

    def _safe_flags(self) -> list[str]:
        """Keep the working folder, or that of the script, off the path of a master that is root.

        Unless ngxloop itself is found only there: it is root's then, problem() has seen to it.
        """
        home = os.path.dirname(os.path.dirname(os.path.abspath(version.__file__)))
        is_found = home in map(os.path.abspath, sys.path[1:])
        return ["-P"] if self._is_strict and is_found and not sys.flags.safe_path else []

    def _hear(self) -> None:
        try:
            said = os.read(self._ready_fd, 1)
        except BlockingIOError:
            return
        if not said:
            self._poller.remove(self._ready_fd)
            os.close(self._ready_fd)
            self._ready_fd = -1
        elif said == ENDS:
            self._tell(events.NewMasterEnding())
        else:
            self._tell(events.NewMasterReady())

    def _end(self, code: int) -> None:
        """The new master was reaped."""
        assert self._process is not None
        self._process.returncode = code
        self._process = None
        self._poller.call(Handler(HandlerName.SERVING_STEP, self.close))
        self._tell(events.NewMasterGone(code))


def _script_fault(folder: str) -> str:
    """Return the fault of the script that we run, if it is one (not python -m)."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    return "" if file is None else find_fault(os.path.join(folder, file))


def _start_folder() -> str:
    """Return the folder we were started in, by the name that the shell had for it.

    A link to the newest release is what the new master is to follow.
    """
    folder, named = os.getcwd(), os.environ.get("PWD", "")
    try:
        return named if os.path.samefile(named, folder) else folder
    except OSError:
        return folder
