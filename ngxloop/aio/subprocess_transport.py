"""SubprocessTransport: a process and its pipes: subprocess.Popen behind asyncio's own transport.

The standard streams are real pipes, so that the child can open /dev/stdout again. (asyncio uses a
socket for stdin on AIX only, where the closing of a pipe's reader goes unnoticed.)
"""

import contextlib
import os
import signal
import subprocess
from asyncio import Future, StreamReader, base_subprocess, sleep
from collections.abc import Coroutine
from inspect import CORO_CLOSED, CORO_CREATED, getcoroutinestate
from typing import TYPE_CHECKING, Any, cast

from ngxloop.core.completion import complete_future


class OutputReader(StreamReader):
    """The reader of a process's output: a read to the end that is cancelled loses nothing."""

    _buffer: bytearray
    _limit: int

    async def read(self, n: int = -1) -> bytes:
        """Read up to n bytes, or to the end of the stream if n is negative."""
        if n >= 0:
            return await super().read(n)
        blocks: list[bytes] = []
        try:
            while block := await super().read(self._limit):
                blocks.append(block)
        except BaseException:
            self._buffer[:0] = b"".join(blocks)
            raise
        return b"".join(blocks)


class SubprocessTransport(base_subprocess.BaseSubprocessTransport):
    """A process and its pipes: asyncio's own, with the newest version's rules on every version.

    A failed start leaves nothing behind. A process that has been reaped is not sent a signal, since
    its number may be that of another process. wait() ends when the process has ended, even if a
    grandchild still holds a pipe.
    """

    _loop: Any
    _proc: Any
    _protocol: Any
    _pipes: dict[int, Any]
    _returncode: int | None
    _is_settled = False  # the pipes have their transports, or never will have
    _connecting: Coroutine[Any, Any, None] | None = None  # what gives the pipes their transports
    _settled: Future[None] | None = None  # made by the coroutine that waits for that

    if TYPE_CHECKING:

        def get_pid(self) -> int:  # noqa: D102 - typeshed: or None, which is before the start
            raise NotImplementedError

    def _start(
        self,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        **kwargs: Any,
    ) -> None:
        self._waiters: list[Future[None]] = []  # of the calls of _wait()
        self._proc = subprocess.Popen(
            args,
            shell=shell,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            universal_newlines=False,
            bufsize=bufsize,
            **kwargs,
        )

    def _connect_pipes(self, waiter: Any) -> Any:
        self._connecting = self._connect_all_pipes(waiter)
        return self._connecting

    async def _connect_all_pipes(self, waiter: Any) -> None:
        process = self._proc
        try:
            await super()._connect_pipes(waiter)
            self._loop.call_soon(self._keep_output)  # after connection_made()
        finally:
            self._settle(process)

    def _settle(self, process: Any) -> None:
        if self._pipes:
            self._close_unwanted(process)
        self._is_settled = True
        self._connecting = None
        complete_future(self._settled)

    def _keep_output(self) -> None:
        """Make a second communicate() return what a cancelled first one had read."""
        for name in ("stdout", "stderr"):
            reader = getattr(self._protocol, name, None)
            if type(reader) is StreamReader:
                reader.__class__ = OutputReader

    def _close_unwanted(self, process: Any) -> None:
        """Close pipes that got no transport, and all of them if close() came first."""
        for fd, pipe in enumerate((process.stdin, process.stdout, process.stderr)):
            protocol = self._pipes.get(fd)
            if pipe is None:
                continue
            if protocol is None:
                pipe.close()
            elif self._closed:
                protocol.pipe.close()

    def send_signal(self, number: int) -> None:
        """Send a signal to the process; nothing happens once it has ended.

        Raises:
            ProcessLookupError: connection_lost() has been called.
        """
        self._check_proc()
        if self._returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._proc.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM to the process; see send_signal()."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the process; see send_signal()."""
        self.send_signal(signal.SIGKILL)

    def _process_exited(self, returncode: int) -> None:
        super()._process_exited(returncode)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            complete_future(waiter)

    async def _wait(self) -> int:
        """Wait until the process has ended; return its exit code, or minus the signal's number."""
        if self._returncode is None:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            finally:
                if waiter in self._waiters:  # cancelled
                    self._waiters.remove(waiter)
        return cast(int, self._returncode)

    async def _until_settled(self) -> None:
        if self._connecting and getcoroutinestate(self._connecting) == CORO_CREATED:
            await sleep(0)  # its task runs in the next turn
        if self._connecting and getcoroutinestate(self._connecting) == CORO_CLOSED:
            self._settle(self._proc)  # it was cancelled before it began
        if not self._is_settled:
            self._settled = self._loop.create_future()
            await self._settled

    async def _abandon(self) -> None:
        """Kill the process and wait until nothing is left of it."""
        self.close()
        await self._until_settled()
        await self._wait()
