"""The echo server that most programs would write with a Protocol."""

import asyncio

from benchmarks.harness.echo import BACKLOG, HOST, Address
from benchmarks.harness.question import Case


class EchoProtocol(asyncio.Protocol):
    """Send back whatever comes."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def start_protocol_server(loop: asyncio.AbstractEventLoop, _case: Case) -> Address:
    """Listen on a free port and return the address; the loop keeps the server alive."""
    server = await loop.create_server(EchoProtocol, HOST, 0, backlog=BACKLOG)
    KEPT.append(server)
    return HOST, int(server.sockets[0].getsockname()[1])


KEPT: list[asyncio.AbstractServer] = []
