"""How often does a package's server call the kernel to send a response, and what does it cost?

One connection, one request at a time. `aiohttp` and `uvicorn` answer with 13 bytes;
`aiohttp-stream` sends 16 pieces of 1 KiB in one turn of the loop. `joining` is ngxloop after
set_write_coalescing(True), compared with all loops as they are.
Unit: microseconds of server CPU per response; calls that send per response.
Leaves out: rates and latency; receiving, which is the same.
"""

import asyncio
from collections.abc import Sequence

import uvicorn
from aiohttp import web

from benchmarks.harness.applications import hello
from benchmarks.harness.child import start_child
from benchmarks.harness.coalescing import JOINING
from benchmarks.harness.contenders import Contender
from benchmarks.harness.echo import HOST, Address
from benchmarks.harness.processes import cpu_seconds_between, cpu_times
from benchmarks.harness.question import Case, Effort, Metric, Sample
from benchmarks.harness.sends import counted_sends, exchange
from benchmarks.harness.variants import VariantQuestion

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
STREAM_END = b"0\r\n\r\n"
BODY = b"Hello, world!"

# Responses for each second of effort; those that are traced take longer.
RESPONSES = 2_000
TRACED_RESPONSES = 100

CASES = [Case("aiohttp"), Case("aiohttp-stream"), Case("uvicorn")]
KEPT: list[object] = []


async def start_server(loop: asyncio.AbstractEventLoop, case: Case) -> Address:
    if case.name == "uvicorn":
        return await start_uvicorn(loop)
    application = web.Application()
    application.router.add_get("/", stream if case.name == "aiohttp-stream" else greet)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    KEPT.append(runner)
    return HOST, int(runner.addresses[0][1])


async def greet(_request: web.Request) -> web.Response:
    return web.Response(body=BODY)


async def stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(16):
        await response.write(bytes(1024))
    await response.write_eof()
    return response


async def start_uvicorn(loop: asyncio.AbstractEventLoop) -> Address:
    config = uvicorn.Config(hello, access_log=False, lifespan="off")
    config.load()
    state = uvicorn.server.ServerState()
    server = await loop.create_server(
        lambda: config.http_protocol_class(config=config, server_state=state, app_state={}),
        HOST,
        0,
    )
    KEPT.append(server)
    return HOST, int(server.sockets[0].getsockname()[1])


class PackageQuestion(VariantQuestion):
    """A package's server, loaded by one client and then traced."""

    metrics = (
        Metric("cpu_us", "cpu us", "lower", digits=1, compared=True),
        Metric("sends", "sends", "lower", digits=2),
    )

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        return super().contenders(loops)[1:]  # no server in C answers HTTP

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        end = STREAM_END if case.name == "aiohttp-stream" else BODY
        count = max(1, int(effort.seconds * RESPONSES))
        with start_child(self, contender, case, effort) as server:
            ready = server.receive()
            address = (ready["host"], ready["port"])
            with server.blamed():
                exchange(address, REQUEST, end, count)
                before = cpu_times(server.pid)
                exchange(address, REQUEST, end, count)
                used = cpu_seconds_between(before, cpu_times(server.pid))
                with counted_sends(server.pid) as sends:
                    exchange(address, REQUEST, end, TRACED_RESPONSES)
        return {"cpu_us": used / count * 1e6, "sends": sends.count / TRACED_RESPONSES}


QUESTION = PackageQuestion(JOINING, start_server, CASES)
