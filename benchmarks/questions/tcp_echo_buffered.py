"""How fast does a TCP server echo that is written with a BufferedProtocol?

Unit: requests per second, one request at a time on each connection; server CPU microseconds
per request. Each connection has a buffer of its own, and sends a copy of what came: the loop may
keep what it is given until the kernel takes it.
Leaves out: parsing, and buffers shared between connections.
"""

import asyncio

from benchmarks.harness.echo import BACKLOG, HOST, Address, EchoQuestion, echo_grid
from benchmarks.harness.echo_protocol import KEPT
from benchmarks.harness.question import Case

BUFFER_BYTES = 128 * 1024


class BufferedEcho(asyncio.BufferedProtocol):
    """Send back whatever was put into the buffer."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self.buffer = memoryview(bytearray(BUFFER_BYTES))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.transport.write(bytes(self.buffer[:nbytes]))


async def start_buffered_server(loop: asyncio.AbstractEventLoop, _case: Case) -> Address:
    server = await loop.create_server(BufferedEcho, HOST, 0, backlog=BACKLOG)
    KEPT.append(server)
    return HOST, int(server.sockets[0].getsockname()[1])


QUESTION = EchoQuestion(start_buffered_server, echo_grid())
