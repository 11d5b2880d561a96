"""aiohttp: web.run_app(app, loop=...) in a process of its own, and its client on our loop."""

import asyncio
import io
import signal

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

import ngxloop
from tests.support.processes import Program


@pytest.fixture
def server():
    """Give a running server and its URL."""
    with Program("-m", "tests.packages.programs.aiohttp_server") as program:
        port = program.wait_for(r"port (\d+)\n")[1]
        program.wait_for("Running on")
        yield program, f"http://127.0.0.1:{port}"


async def test_client_and_server_run_on_our_loop(server):
    _, url = server
    assert isinstance(asyncio.get_running_loop(), ngxloop.EventLoop)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/loop") as response:
        assert await response.text() == "ngxloop.loop.EventLoop"


async def test_many_requests_at_once_are_answered(server):
    _, url = server

    async def ask(session, number):
        body = b"%05d" % number * (number * 50)
        async with session.post(f"{url}/echo", data=body) as response:
            assert await response.read() == body

    connector = aiohttp.TCPConnector(limit=30)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(ask(session, number) for number in range(200)))


async def test_requests_without_keep_alive_are_answered(server):
    _, url = server
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        for number in range(50):
            async with session.post(f"{url}/echo", data=str(number)) as response:
                assert await response.text() == str(number)


async def test_a_body_of_many_megabytes_comes_back_whole(server):
    _, url = server
    body = bytes(range(256)) * 40_000
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/echo", data=io.BytesIO(body)) as response,
    ):
        assert await response.read() == body


async def test_an_answer_in_pieces_arrives_whole(server):
    _, url = server
    async with aiohttp.ClientSession() as session, session.get(f"{url}/stream") as response:
        assert await response.read() == b"".join(b"%03d" % number for number in range(1000))


async def test_websockets_echo(server):
    _, url = server
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/websocket") as ws:
        for message in ("hello", "x" * 100_000):
            await ws.send_str(message)
            assert await ws.receive_str() == message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_run_app_ends_in_good_order(server, number):
    program, _ = server

    assert program.end(number) == 0
    assert "ended in good order" in program.output
    assert "Traceback" not in program.output
    assert "Warning" not in program.output


async def test_the_test_client_of_aiohttp_runs_on_our_loop():
    async def hello(_request):
        return web.Response(text="hello")

    app = web.Application()
    app.router.add_get("/", hello)
    async with TestClient(TestServer(app)) as client, client.get("/") as response:
        assert await response.text() == "hello"
