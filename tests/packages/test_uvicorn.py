"""uvicorn --loop ngxloop:new_event_loop, in a process of its own."""

import asyncio
import io
import signal

import aiohttp
import pytest

from tests.support.processes import Program


@pytest.fixture(params=["h11", "httptools"])
def server(request):
    """Give a running uvicorn and its address."""
    arguments = ["--loop", "ngxloop:new_event_loop", "--http", request.param, "--port", "0"]
    with Program("-m", "uvicorn", *arguments, "tests.packages.programs.asgi:app") as program:
        match = program.wait_for(r"Uvicorn running on http://(127\.0\.0\.1:\d+)")
        yield program, match[1]


async def test_uvicorn_serves_on_our_loop(server):
    _, address = server
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{address}/loop") as response,
    ):
        assert await response.text() == "ngxloop.loop.EventLoop"


async def test_uvicorn_answers_many_requests_at_once(server):
    _, address = server

    async def ask(session, number):
        body = b"%05d" % number * (number * 50)
        async with session.post(f"http://{address}/echo", data=body) as response:
            assert await response.read() == body

    connector = aiohttp.TCPConnector(limit=30)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(ask(session, number) for number in range(200)))


async def test_uvicorn_sends_back_a_body_of_many_megabytes(server):
    _, address = server
    body = bytes(range(256)) * 40_000
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{address}/echo", data=io.BytesIO(body)) as response,
    ):
        assert await response.read() == body


async def test_uvicorn_speaks_websocket(server):
    _, address = server
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"http://{address}/") as websocket,
    ):
        for message in ("hello", "x" * 100_000):
            await websocket.send_str(message)
            assert await websocket.receive_str() == message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_uvicorn_ends_in_good_order(server, number):
    program, _ = server
    program.end(number)

    assert "Application shutdown complete" in program.output
    assert "Finished server process" in program.output
