"""hypercorn's asyncio worker on our loop."""

import asyncio

import aiohttp

from tests.packages.peers import free_port, need
from tests.packages.programs.asgi import app

config = need("hypercorn.config")
serving = need("hypercorn.asyncio")


async def test_hypercorn_serves_on_our_loop():
    options = config.Config()
    port = free_port()
    options.bind = [f"127.0.0.1:{port}"]
    options.loglevel = "ERROR"
    ended = asyncio.Event()
    server = asyncio.create_task(serving.serve(app, options, shutdown_trigger=ended.wait))
    async with aiohttp.ClientSession() as session:
        for _ in range(1000):
            try:
                async with session.get(f"http://127.0.0.1:{port}/loop") as response:
                    assert await response.text() == "ngxloop.loop.EventLoop"
                break
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0.01)
        async with session.post(f"http://127.0.0.1:{port}/echo", data=b"x" * 100_000) as response:
            assert await response.read() == b"x" * 100_000
    ended.set()
    await server
