"""The echo server that most programs would write with a DatagramProtocol."""

import asyncio

from benchmarks.harness.echo import HOST, Address
from benchmarks.harness.question import Case

Name = tuple[str, int]


class EchoDatagrams(asyncio.DatagramProtocol):
    """Send every datagram back to its sender."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: Name) -> None:  # type: ignore[override]
        self.transport.sendto(data, addr)


async def start_datagram_server(loop: asyncio.AbstractEventLoop, _case: Case) -> Address:
    """Bind a free port and return the address; the loop keeps the endpoint alive."""
    transport, _ = await loop.create_datagram_endpoint(EchoDatagrams, local_addr=(HOST, 0))
    KEPT.append(transport)
    return HOST, int(transport.get_extra_info("sockname")[1])


KEPT: list[asyncio.BaseTransport] = []
