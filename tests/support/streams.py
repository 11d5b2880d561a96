"""A stream transport of the running loop with a peer that no loop drives."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

from tests.support.protocols import RecordingProtocol
from tests.support.sockets import LOOPBACK, tcp_pair
from tests.support.waiting import wait_until


class Connected(NamedTuple):
    """A transport, its protocol, and the non-blocking socket at the other end."""

    transport: asyncio.Transport
    protocol: Any
    peer: socket.socket


@contextlib.asynccontextmanager
async def connected(
    protocol_factory: Callable[[], Any] = RecordingProtocol, pair=tcp_pair
) -> AsyncIterator[Connected]:
    """Give a connected transport and its peer; at the end the transport has closed its socket."""
    loop = asyncio.get_running_loop()
    with pair() as (ours, peer):
        transport, protocol = await loop.create_connection(protocol_factory, sock=ours)
        try:
            yield Connected(transport, protocol, peer)
        finally:
            if ours.fileno() != -1:
                transport.abort()
            await wait_until(lambda: ours.fileno() == -1, "the transport to close its socket")


@contextlib.asynccontextmanager
async def serving(
    protocol_factory: Callable[[], Any], address: tuple[str, int] = (LOOPBACK, 0), **options
) -> AsyncIterator[asyncio.Server]:
    """Give a server, on a free loopback port unless told otherwise; at the end it is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol_factory, *address, **options)
    try:
        yield server
    finally:
        server.close()
        await server.wait_closed()


def address_of(server: asyncio.Server) -> tuple[str, int]:
    """Return host and port on which a server of one socket listens."""
    (sock,) = server.sockets
    return sock.getsockname()[:2]


@contextlib.contextmanager
def client_of(server: asyncio.Server) -> Iterator[socket.socket]:
    """Give a non-blocking socket connected to the server."""
    with socket.create_connection(address_of(server)) as client:
        client.setblocking(False)
        yield client


async def one_exchange(line: bytes, answer: Callable[[bytes], bytes]) -> bytes:
    """Serve one connection that answers a line and closes; return what its client received."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(await reader.readline()))
        writer.close()
        await writer.wait_closed()
        served.set_result(None)

    served = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(serve, LOOPBACK, 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(line)
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    await served
    server.close()
    await server.wait_closed()
    return received
