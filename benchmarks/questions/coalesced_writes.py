"""What does a server that answers in two writes gain if the loop joins the writes of a turn?

Unit: requests per second, one request at a time on each connection; server CPU microseconds
per request. `joining` is ngxloop after set_write_coalescing(True), compared with all loops as they
are. The halves of an answer are written one after the other, as servers write head and body.
Leaves out: answers that are written over several turns, where nothing can be joined.
"""

import asyncio

from benchmarks.harness.coalescing import JOINING
from benchmarks.harness.echo import BACKLOG, HOST, Address, echo_case
from benchmarks.harness.echo_protocol import KEPT, EchoProtocol
from benchmarks.harness.question import Case
from benchmarks.harness.variants import VariantQuestion


class HalvesProtocol(EchoProtocol):
    """Send back whatever comes, in two writes."""

    def data_received(self, data: bytes) -> None:
        half = len(data) // 2
        self.transport.write(data[:half])
        self.transport.write(data[half:])


async def start_halves_server(loop: asyncio.AbstractEventLoop, _case: Case) -> Address:
    server = await loop.create_server(HalvesProtocol, HOST, 0, backlog=BACKLOG)
    KEPT.append(server)
    return HOST, int(server.sockets[0].getsockname()[1])


QUESTION = VariantQuestion(JOINING, start_halves_server, [echo_case(1024, 1), echo_case(1024, 32)])
