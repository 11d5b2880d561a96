"""hypercorn's asyncio worker on our loop."""

import asyncio

import aiohttp

from tests.packages.peers import need
from tests.packages.programs.asgi import app
from tests.support.addresses import free_bind
from tests.support.waiting import DEADLINE, LOOK_AGAIN

config = need("hypercorn.config")
serving = need("hypercorn.asyncio")


async def connected(host, port):
    """Connect as soon as the server listens: nothing announces it."""
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except ConnectionRefusedError:
            await asyncio.sleep(LOOK_AGAIN)
        else:
            writer.close()
            return await writer.wait_closed()


async def test_hypercorn_serves_on_our_loop():
    options = config.Config()
    address = free_bind()
    options.bind = [address]
    options.loglevel = "ERROR"
    ended = asyncio.Event()
    server = asyncio.create_task(serving.serve(app, options, shutdown_trigger=ended.wait))
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(DEADLINE):
            await connected(*address.split(":"))
        async with session.get(f"http://{address}/loop") as response:
            assert await response.text() == "ngxloop.loop.EventLoop"
        async with session.post(f"http://{address}/echo", data=b"x" * 100_000) as response:
            assert await response.read() == b"x" * 100_000
    ended.set()
    await server
