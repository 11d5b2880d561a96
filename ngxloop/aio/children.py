"""How the loop learns that a child process has ended.

A pidfd in the loop's epoll tells, on every version of Python and in every thread. Where there is
none (a kernel before 5.3, a seccomp filter, no fd left) a thread waits and leaves the zombie for
the loop, so that its number cannot be another process's meanwhile.

Before 3.14 a program may have chosen a child watcher of its own, with set_child_watcher() or in its
policy; then that one watches, as in asyncio. The two classes that asyncio itself would choose are
not asked: the loop needs nobody to attach a watcher to it.
"""

import contextlib
import errno
import logging
import os
import sys
import threading
from asyncio import events, unix_events
from typing import Any

logger: logging.Logger = logging.getLogger("asyncio")

# What is reported for a status that somebody else has taken; asyncio's number.
LOST_STATUS = 255


class ChildWatching:
    """The part of the event loop that waits for child processes."""

    _pidfds: set[int]

    def _watch_child(self: Any, transport: Any) -> None:
        """Tell a transport when its process has ended."""
        pidfd = self._open_pidfd(transport)
        if pidfd is None:
            threading.Thread(
                target=_wait_in_thread,
                args=(self, transport),
                name=f"ngxloop-wait-{transport.get_pid()}",
                daemon=True,
            ).start()

    def _open_pidfd(self: Any, transport: Any) -> int | None:
        """Watch a process by its pidfd; return None if that cannot be."""
        try:
            pidfd = os.pidfd_open(transport.get_pid())
        except (AttributeError, OSError):  # AttributeError: built for an older kernel
            return None
        try:
            self._add_reader(pidfd, self._pidfd_ready, transport, pidfd)
        except (OSError, RuntimeError):  # RuntimeError: the fd of a transport was closed
            os.close(pidfd)
            return None
        self._pidfds.add(pidfd)
        return pidfd

    def _pidfd_ready(self: Any, transport: Any, pidfd: int) -> None:
        self._remove_reader(pidfd)
        self._pidfds.remove(pidfd)
        try:
            status = _take_status(os.P_PIDFD, pidfd)
        except OSError as exc:
            if exc.errno != errno.EINVAL:  # a kernel before 5.4
                raise
            status = _take_status(os.P_PID, transport.get_pid())
        finally:
            os.close(pidfd)
        self._child_ended(transport, status)

    def _thread_waited(self: Any, transport: Any) -> None:
        self._child_ended(transport, _take_status(os.P_PID, transport.get_pid()))

    def _child_ended(self: Any, transport: Any, status: int | None) -> None:
        pid = transport.get_pid()
        if status is None:
            status = transport.get_extra_info("subprocess").returncode  # its poll() has taken it
        if status is None:
            status = LOST_STATUS
            logger.warning(
                "child process pid %d exit status already read: will report returncode %d",
                pid,
                status,
            )
        transport._process_exited(status)

    def _child_watcher_callback(self: Any, pid: int, returncode: int, transport: Any) -> None:
        """Take a process's end from a child watcher, which may call from another thread."""
        self.call_soon_threadsafe(transport._process_exited, returncode)

    def _close_pidfds(self) -> None:
        """Watch no process any more: the loop closes."""
        while self._pidfds:
            os.close(self._pidfds.pop())


def chosen_watcher() -> Any:
    """Return the child watcher that the program has chosen; None if it has not."""
    if sys.version_info >= (3, 14):  # they are gone
        return None
    policy = events.get_event_loop_policy()
    default_policy = unix_events._UnixDefaultEventLoopPolicy
    if getattr(type(policy), "get_child_watcher", None) is not default_policy.get_child_watcher:
        return events.get_child_watcher()
    watcher = getattr(policy, "_watcher", None)
    if type(watcher) in {unix_events.ThreadedChildWatcher, unix_events.PidfdChildWatcher}:
        return None
    return watcher


def _take_status(id_type: int, number: int) -> int | None:
    """Reap a process that has ended; return its exit code or minus its signal, None if lost.

    Without WNOHANG: a debugger may have to take note of the end before the parent can.
    """
    try:
        result: Any = os.waitid(id_type, number, os.WEXITED)  # None only with WNOHANG
    except ChildProcessError:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


def _wait_in_thread(loop: Any, transport: Any) -> None:
    pid = transport.get_pid()
    with contextlib.suppress(ChildProcessError):  # the loop will find that out
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        loop.call_soon_threadsafe(loop._thread_waited, transport)
    except RuntimeError:
        logger.warning("Loop %r that handles pid %r is closed", loop, pid)
        _take_status(os.P_PID, pid)
