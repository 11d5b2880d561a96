"""How the loop starts child processes and learns that one has ended.

The end. A pidfd in the loop's epoll reports it, on every version of Python and in every thread.
Without one (a kernel before 5.3, a seccomp filter, no fd left) a thread waits and leaves the zombie
to the loop, so that its pid cannot become another process's meanwhile.

Before 3.14 a program may have chosen a child watcher of its own, with set_child_watcher() or in its
policy; then that one watches, as in asyncio. The two classes that asyncio itself would choose are
not used: the loop needs no watcher to be attached to it.
"""

import contextlib
import errno
import logging
import os
import sys
import threading
from asyncio import events, unix_events
from typing import Any

from ngxloop.aio.loop_base import LoopBase
from ngxloop.aio.subprocess_transport import SubprocessTransport

logger: logging.Logger = logging.getLogger("asyncio")

INACTIVE_WATCHER = (
    "asyncio.get_child_watcher() is not activated, subprocess support is not installed."
)

OUT_OF_FDS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM}

# What is reported if the status has been read elsewhere; asyncio's number.
LOST_STATUS = 255


class ProcessHooks(LoopBase):
    """What BaseEventLoop calls to start a process, and how the loop learns of its end."""

    __slots__ = ()

    async def _make_subprocess_transport(
        self,
        protocol: Any,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        extra: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> SubprocessTransport:
        """Return the transport of a process that runs and whose pipes are connected."""
        watcher = chosen_watcher()
        waiter = self.create_future()
        streams = (stdin, stdout, stderr)

        def start() -> SubprocessTransport:
            return SubprocessTransport(
                self, protocol, args, shell, *streams, bufsize, waiter=waiter, extra=extra, **kwargs
            )

        transport = None
        try:
            if watcher is None:
                transport = start()
                self._watch_child(transport)
            else:
                with watcher as entered:  # it keeps a process that ends meanwhile
                    watcher = entered if sys.version_info < (3, 12) else watcher
                    if not watcher.is_active():
                        raise RuntimeError(INACTIVE_WATCHER)
                    transport = start()
                    watcher.add_child_handler(
                        transport.get_pid(), self._child_watcher_callback, transport
                    )
        except BaseException:
            if transport is not None:  # its end would not be reported
                transport.close()
                await transport._until_settled()
            raise
        try:
            await waiter
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            await transport._abandon()
            raise
        return transport

    def _watch_child(self, transport: SubprocessTransport) -> None:
        """Report the end of a process to its transport."""
        pidfd = self._open_pidfd(transport)
        if pidfd is None:
            threading.Thread(
                target=_wait_in_thread,
                args=(self, transport),
                name=f"ngxloop-wait-{transport.get_pid()}",
                daemon=True,
            ).start()

    def _open_pidfd(self, transport: SubprocessTransport) -> int | None:
        """Watch a process by its pidfd; return None if that is not possible."""
        try:
            pidfd = os.pidfd_open(transport.get_pid())
        except (AttributeError, OSError) as exc:  # AttributeError: built for an older kernel
            if getattr(exc, "errno", None) not in OUT_OF_FDS:
                self._pidfds_refused = True
            return None
        try:
            self._add_reader(pidfd, self._pidfd_ready, transport, pidfd)
        except (OSError, RuntimeError):  # RuntimeError: the fd of a transport was closed
            os.close(pidfd)
            return None
        self._pidfds.add(pidfd)
        return pidfd

    def _pidfd_ready(self, transport: SubprocessTransport, pidfd: int) -> None:
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

    def _thread_waited(self, transport: SubprocessTransport) -> None:
        self._child_ended(transport, _take_status(os.P_PID, transport.get_pid()))

    def _child_ended(self, transport: SubprocessTransport, status: int | None) -> None:
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

    def _child_watcher_callback(
        self, pid: int, returncode: int, transport: SubprocessTransport
    ) -> None:
        """Be called by a child watcher, perhaps in another thread, when a process has ended."""
        self.call_soon_threadsafe(transport._process_exited, returncode)

    def _close_pidfds(self) -> None:
        """Stop watching processes: the loop closes."""
        while self._pidfds:
            os.close(self._pidfds.pop())


def chosen_watcher() -> Any:
    """Return the child watcher that the program has chosen; None if it has not."""
    if sys.version_info >= (3, 14):  # watchers were removed
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

    Without WNOHANG: a debugger may have to be notified of the end before the parent can be.
    """
    try:
        result: Any = os.waitid(id_type, number, os.WEXITED)  # None only with WNOHANG
    except ChildProcessError:
        return None
    status: int = result.si_status
    return status if result.si_code == os.CLD_EXITED else -status


def _wait_in_thread(loop: ProcessHooks, transport: SubprocessTransport) -> None:
    pid = transport.get_pid()
    with contextlib.suppress(ChildProcessError):  # the loop will notice
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        loop.call_soon_threadsafe(loop._thread_waited, transport)
    except RuntimeError:
        logger.warning("Loop %r that handles pid %r is closed", loop, pid)
        _take_status(os.P_PID, pid)
