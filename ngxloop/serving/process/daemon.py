"""--daemon: go on in the background, and say whether that worked.

nginx: ngx_daemon forks once, the child gets a session of its own. There the parent exits before the
child has done anything; here it waits until the first workers serve, and exits with the code of the
child if they do not: what starts it (a script, an init system of Type=forking) learns the truth.
Until then the child's complaints go where the parent's would have gone (logs.py); all else that it
writes to standard error goes to --error-log, and nowhere without one.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.process.process import close_private, keep_private

_KILLED = 128  # what a shell adds to the number of the signal that has ended a program
_STANDARD_INPUT, _STANDARD_OUTPUT = 0, 1


def become_daemon() -> Callable[[], None]:
    """Return in the child, with what lets the parent exit with 0; until then the parent waits."""
    sys.stdout.flush()
    sys.stderr.flush()
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid != 0:
        os.close(write_fd)
        _wait_and_exit(pid, read_fd)
    os.close(read_fd)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (_STANDARD_INPUT, _STANDARD_OUTPUT):
        os.dup2(nothing, fd)
    os.close(nothing)
    keep_private(write_fd)  # a worker that held it could say that we serve

    def let_parent_go() -> None:
        with contextlib.suppress(OSError):  # it was killed meanwhile
            os.write(write_fd, b"\0")
        close_private(write_fd)

    return let_parent_go


def _wait_and_exit(pid: int, read_fd: int) -> NoReturn:
    """End as the child does, or with 0 as soon as it serves; hand our signals on until then."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda number, frame: os.kill(pid, number))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if os.read(read_fd, 1):
        os._exit(ExitCode.OK)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else _KILLED - code)
