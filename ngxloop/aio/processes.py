"""subprocess_exec and subprocess_shell: subprocess.Popen behind asyncio's own transport.

The standard streams are real pipes, so that the child can open /dev/stdout again. (A socket, which
asyncio takes for stdin on AIX only, is needed where the closing of a pipe's reader goes unnoticed.)
"""

import contextlib
import os
import signal
import subprocess
import sys
from asyncio import Future, StreamReader, base_subprocess
from typing import Any, cast

from ngxloop.aio.children import ChildWatching, chosen_watcher

INACTIVE_WATCHER = (
    "asyncio.get_child_watcher() is not activated, subprocess support is not installed."
)


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
    _is_settled = False  # the pipes have their transports, or never will
    _settled: Future[None] | None = None  # made by the coroutine that waits for that

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
        self._waiters: list[Future[None]] = []  # of those in _wait()
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

    async def _connect_pipes(self, waiter: Any) -> None:
        process = self._proc
        try:
            await super()._connect_pipes(waiter)
            self._loop.call_soon(self._keep_output)  # after connection_made()
        finally:
            if self._pipes:
                self._close_unwanted(process)
            self._is_settled = True
            _complete(self._settled)

    def _keep_output(self) -> None:
        """Let a communicate() that is called again return what a cancelled one had read."""
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
            _complete(waiter)

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
        if not self._is_settled:
            self._settled = self._loop.create_future()
            await self._settled

    async def _abandon(self) -> None:
        """Kill the process and wait until nothing is left of it."""
        self.close()
        await self._until_settled()
        await self._wait()


def _complete(future: Future[None] | None) -> None:
    """End a wait, if somebody waits and has not been cancelled."""
    if future is not None and not future.done():
        future.set_result(None)


class ProcessHooks(ChildWatching):
    """What BaseEventLoop calls to start a process."""

    async def _make_subprocess_transport(
        self: Any,
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
                with watcher as entered:  # a process that ends meanwhile is kept for us
                    watcher = entered if sys.version_info < (3, 12) else watcher
                    if not watcher.is_active():
                        raise RuntimeError(INACTIVE_WATCHER)
                    transport = start()
                    watcher.add_child_handler(
                        transport.get_pid(), self._child_watcher_callback, transport
                    )
        except BaseException:
            if transport is not None:  # nobody will tell of its end
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
