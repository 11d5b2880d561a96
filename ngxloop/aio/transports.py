"""The hooks of BaseEventLoop that make transports: streams, servers, datagrams, pipes, sendfile().

create_unix_connection() and create_unix_server() are asyncio's own, of the running version: they
call hooks that every event loop has. What they leave to the loop is here: removing the socket file
when its server stops, since 3.13.

BaseEventLoop's create_datagram_endpoint() resolves, binds and connects. It calls the protocol
factory, and leaves the socket open if that raises; so here the hook calls the factory, and closes
the socket.

Why stat() and unlink() come from `posix`: detectors of blocking calls (blockbuster) replace the
functions of `os`, with exceptions for callers in asyncio's own files, by file name. What asyncio
does here blocks just as long, so it is called past the replacement.
"""

import asyncio
import contextvars
import socket
import ssl
from asyncio import futures, unix_events
from collections.abc import Callable, Coroutine
from posix import stat, unlink
from typing import TYPE_CHECKING, Any, TypeVar

from ngxloop.aio.coroutines import check_arguments, look_like
from ngxloop.aio.loop_base import LoopBase
from ngxloop.aio.sendfile import regular_file, send_file
from ngxloop.aio.tls import tls_protocol_factory
from ngxloop.core.completion import complete_future
from ngxloop.transports.datagram import DatagramTransport, connect_datagrams
from ngxloop.transports.listener import Listener
from ngxloop.transports.pipe_read import ReadPipeTransport, connect_read_pipe
from ngxloop.transports.pipe_write import WritePipeTransport, connect_write_pipe
from ngxloop.transports.stream import StreamTransport, connect_stream

_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)
_Waiter = asyncio.Future[None] | None


class TransportHooks(LoopBase):
    """What BaseEventLoop calls for its transports; see the file header."""

    __slots__ = ()

    # ---- streams and servers

    if not TYPE_CHECKING:  # to type checkers they are AbstractEventLoop's
        create_unix_connection = unix_events._UnixSelectorEventLoop.create_unix_connection
        create_unix_server = unix_events._UnixSelectorEventLoop.create_unix_server

    def _make_socket_transport(
        self,
        sock: socket.socket,
        protocol: Any,
        waiter: _Waiter = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        context: contextvars.Context | None = None,
    ) -> StreamTransport:
        """Return the transport of a connected socket; waiter is done after connection_made()."""
        self._ensure_fd_no_transport(sock)
        transport = connect_stream(self, sock, protocol, extra, server, context)
        self._wake_when_made(waiter)
        return transport

    def _start_serving(
        self,
        protocol_factory: Callable[[], Any],
        sock: socket.socket,
        sslcontext: ssl.SSLContext | None = None,
        server: Any = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        context: contextvars.Context | None = None,
    ) -> None:
        """Accept connections from a listening socket."""
        factory = protocol_factory
        if sslcontext is not None:
            factory = tls_protocol_factory(
                self, protocol_factory, sslcontext, ssl_handshake_timeout, ssl_shutdown_timeout
            )
        self._listeners[sock] = Listener(self, sock, factory, server, context)

    def _stop_serving(self, sock: socket.socket) -> None:
        """Stop accepting from a listening socket and close it."""
        listener = self._listeners.pop(sock, None)
        if listener is not None:
            listener.close()
        inode = self._unix_server_sockets.pop(sock, None)
        path = sock.getsockname() if inode is not None else None
        sock.close()
        if inode is not None:
            self._remove_socket_file(path, inode)

    def _remove_socket_file(self, path: Any, inode: int) -> None:
        """Remove a server's socket file, unless another server has replaced it by its own."""
        try:
            if stat(path).st_ino == inode:
                unlink(path)
        except FileNotFoundError:
            pass
        except OSError as exc:
            self.call_exception_handler(
                {"message": f"unlink({path!r}) failed; the socket file stays", "exception": exc}
            )

    def set_write_coalescing(self, enabled: bool) -> None:
        """Join what is written to a transport in one turn of the loop, and send it in one call.

        False, the default, sends every write() and sendto() in the call, as asyncio does. With
        True, output of streams, TLS connections and datagram endpoints leaves when the read handler
        returns, else at the end of the turn, or at once above 64 KiB or the high-water mark. The
        first datagram of a turn and the output of pipes leave at once.

        Args:
            enabled: True joins; False sends what has been joined and joins no more.

        Notes:
            It saves a system call for each further write of a turn. The price: a callback that
            writes and then blocks, or ends the process with os._exit(), delays its output or loses
            it. Nothing waits while the loop sleeps or does not run; abort(), close(), write_eof(),
            get_extra_info("socket") and os.fork() send first.
        """
        self._set_write_coalescing(enabled)

    # ---- datagrams

    def create_datagram_endpoint(
        self, protocol_factory: Callable[[], _Protocol], *args: Any, **options: Any
    ) -> Coroutine[Any, Any, tuple[asyncio.DatagramTransport, _Protocol]]:
        """Create a datagram endpoint; asyncio's documentation lists the options.

        Returns:
            The transport and the protocol, after connection_made().
        """
        create = asyncio.BaseEventLoop.create_datagram_endpoint
        check_arguments(create, self, protocol_factory, *args, **options)
        return _create_endpoint(self, protocol_factory, args, options)

    def _make_datagram_transport(
        self,
        sock: socket.socket,
        protocol: Any,
        address: Any = None,
        waiter: _Waiter = None,
        extra: dict[str, Any] | None = None,
        *,
        context: contextvars.Context | None = None,
    ) -> DatagramTransport:
        """Return the transport of a socket; waiter is done after connection_made()."""
        self._ensure_fd_no_transport(sock)
        if isinstance(protocol, _DeferredProtocol):
            protocol = protocol.make(sock)
        transport = connect_datagrams(self, sock, protocol, address, extra, context)
        self._wake_when_made(waiter)
        return transport

    # ---- pipes: FIFOs, sockets and character devices, and those of processes

    def _make_read_pipe_transport(
        self,
        pipe: Any,
        protocol: Any,
        waiter: _Waiter = None,
        extra: dict[str, Any] | None = None,
        *,
        context: contextvars.Context | None = None,
    ) -> ReadPipeTransport:
        """Return a transport that reads a pipe; waiter is done after connection_made()."""
        transport = connect_read_pipe(self, pipe, protocol, extra, context)
        self._wake_when_made(waiter)
        return transport

    def _make_write_pipe_transport(
        self,
        pipe: Any,
        protocol: Any,
        waiter: _Waiter = None,
        extra: dict[str, Any] | None = None,
        *,
        context: contextvars.Context | None = None,
    ) -> WritePipeTransport:
        """Return a transport that writes to a pipe; waiter is done after connection_made()."""
        transport = connect_write_pipe(self, pipe, protocol, extra, context)
        self._wake_when_made(waiter)
        return transport

    def _wake_when_made(self, waiter: _Waiter) -> None:
        """Complete a waiter behind the first event of a transport, which has just been posted."""
        if waiter is not None:
            self.call_soon(futures._set_result_unless_cancelled, waiter, None)  # type: ignore[attr-defined]

    # ---- sendfile

    async def _sendfile_native(
        self, transport: StreamTransport, file: Any, offset: int, count: int | None
    ) -> int:
        """Send a file over a stream transport, which reads and writes nothing meanwhile."""
        self._check_sendfile_params(transport.get_extra_info("socket"), file, offset, count)
        source = regular_file(file)
        all_written = transport._make_empty_waiter()
        resume_reading = transport.is_reading()
        transport.pause_reading()
        try:
            await all_written
            return await send_file(
                lambda: transport._sock_fd, source, offset, count, transport._wait_writable
            )
        finally:
            transport._reset_empty_waiter()
            if resume_reading:
                transport.resume_reading()

    async def _sock_sendfile_native(
        self, sock: socket.socket, file: Any, offset: int, count: int | None
    ) -> int:
        """Send a file over the user's non-blocking socket."""
        return await send_file(
            sock.fileno, regular_file(file), offset, count, lambda: self._until_writable(sock)
        )

    async def _until_writable(self, sock: socket.socket) -> None:
        fd = sock.fileno()
        self._ensure_fd_no_transport(fd)
        future = self.create_future()
        handle = self._add_writer(fd, complete_future, future)
        try:
            await future
        finally:
            if not handle.cancelled():  # else another writer has replaced ours
                self._remove_writer(fd)


look_like(TransportHooks.create_datagram_endpoint, asyncio.BaseEventLoop.create_datagram_endpoint)


async def _create_endpoint(
    loop: LoopBase,
    protocol_factory: Callable[[], Any],
    args: tuple[Any, ...],
    options: dict[str, Any],
) -> tuple[Any, Any]:
    deferred: Any = _DeferredProtocol(protocol_factory)
    transport, _ = await asyncio.BaseEventLoop.create_datagram_endpoint(
        loop, lambda: deferred, *args, **options
    )
    return transport, deferred.protocol


class _DeferredProtocol:
    """Stands for a protocol until there is a socket for it."""

    protocol: Any = None

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._factory = factory

    def __repr__(self) -> str:  # in the log of debug mode
        return repr(self.protocol)

    def make(self, sock: socket.socket) -> Any:
        """Call the factory; close the socket if it raises."""
        try:
            self.protocol = self._factory()
        except BaseException:
            sock.close()
            raise
        return self.protocol
