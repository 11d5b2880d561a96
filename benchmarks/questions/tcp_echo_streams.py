"""How fast does a TCP server echo that is written with asyncio's streams?

Unit: requests per second, one request at a time on each connection; server CPU microseconds
per request. The handler reads what has come, writes it and drains, as the documentation says.
Leaves out: readline and readexactly.
"""

import asyncio

from benchmarks.harness.echo import BACKLOG, HOST, Address, EchoQuestion, echo_grid
from benchmarks.harness.echo_protocol import KEPT
from benchmarks.harness.question import Case

READ_BYTES = 65536


async def start_stream_server(_loop: asyncio.AbstractEventLoop, _case: Case) -> Address:
    server = await asyncio.start_server(echo, HOST, 0, backlog=BACKLOG)
    KEPT.append(server)
    return HOST, int(server.sockets[0].getsockname()[1])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()
    writer.close()


QUESTION = EchoQuestion(start_stream_server, echo_grid())
