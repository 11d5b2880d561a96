"""The ways of asyncio itself to a loop of another make, each in a program of its own."""

import sys

import pytest

from tests.support.processes import Program

EXCHANGE = """
import asyncio
import ngxloop

async def echo(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()
    await writer.wait_closed()

async def main():
    assert type(asyncio.get_running_loop()) is ngxloop.EventLoop
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\\n")
        assert await reader.readline() == b"hello\\n"
        writer.close()
        await writer.wait_closed()
    return "good"
"""

WAYS = {
    "ngxloop.run": "print(ngxloop.run(main()))",
    "Runner": """
with asyncio.Runner(loop_factory=ngxloop.new_event_loop) as runner:
    print(runner.run(main()))
""",
    "policy": """
asyncio.set_event_loop_policy(ngxloop.Policy())
print(asyncio.run(main()))
""",
    "install": """
ngxloop.install()
print(asyncio.run(main()))
""",
    "set_event_loop": """
loop = ngxloop.new_event_loop()
asyncio.set_event_loop(loop)
print(loop.run_until_complete(main()))
loop.close()
""",
    "asyncio.run": "print(asyncio.run(main(), loop_factory=ngxloop.new_event_loop))",
}

# Event loop policies are deprecated from 3.14 on, and said to be so by their own warning.
STRICT = ["-W", "error"] if sys.version_info < (3, 14) else []


@pytest.mark.parametrize("debug", [[], ["-X", "dev"]], ids=["plain", "dev mode"])
@pytest.mark.parametrize("way", WAYS)
def test_a_program_exchanges_a_line_over_tcp_by_way_of(way, debug):
    if way == "asyncio.run" and sys.version_info < (3, 12):
        pytest.skip("asyncio.run takes a loop_factory from Python 3.12 on")

    with Program(*STRICT, *debug, "-c", EXCHANGE + WAYS[way]) as program:
        code = program.end()

    assert (code, program.output) == (0, "good\n")
