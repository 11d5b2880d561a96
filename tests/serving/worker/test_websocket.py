"""WebSockets of a worker: options on the wire, the log, reloads."""

import asyncio
import contextlib
import signal
import time

import pytest
import websockets
import websockets.sync.client

from ngxloop.serving.options.http import EVERY_ASGI
from tests.http.websocket.frames import handshake, text
from tests.serving.http_support import STATUS, report_of
from tests.serving.support import DEADLINE, connect, wait_gone

APP = "web_socket:app"
BOTH = pytest.mark.parametrize("interface", EVERY_ASGI)
CLIENTS = 40


@contextlib.contextmanager
def connected(server, **options):
    """Give a client that has heard of its worker."""
    host, port = server.address
    with websockets.sync.client.connect(f"ws://{host}:{port}/", **options) as peer:
        peer.worker = int(peer.recv(DEADLINE))
        yield peer


def worker_of(server):
    with connected(server) as peer:
        return peer.worker


@BOTH
def test_messages_are_compressed_unless_they_are_not_to_be(serve, interface):
    for options, is_compressed in (([], True), (["--no-ws-per-message-deflate"], False)):
        server = serve(APP, "--interface", interface, *options).serving()
        with connected(server) as peer:
            assert ("Sec-WebSocket-Extensions" in peer.response.headers) == is_compressed
            peer.send("text")
            assert peer.recv(DEADLINE) == "text"


@BOTH
def test_message_above_the_largest_size_closes(serve, interface):
    server = serve(APP, "--interface", interface, "--ws-max-size", "1K").serving()
    with connected(server, compression=None) as peer:
        peer.send("a" * 1024)
        assert peer.recv(DEADLINE) == "a" * 1024
        peer.send("a" * 1025)
        with pytest.raises(websockets.ConnectionClosedError) as caught:
            peer.recv(DEADLINE)
        assert caught.value.rcvd.code == 1009


@BOTH
def test_client_that_answers_no_ping_is_closed(serve, interface):
    options = ["--ws-ping-interval", "0.2", "--ws-ping-timeout", "0.2"]
    server = serve(APP, "--interface", interface, *options).serving()
    with connect(server.address) as sock:
        sock.sendall(handshake())
        received = b""
        while data := sock.recv(65536):
            received += data
    assert b"\x89\x04" in received
    assert b"\x03\xf3keepalive ping timeout" in received


def test_number_of_messages_that_wait_is_limited(serve):
    server = serve(APP, "--ws-max-queue", "1").serving()
    with connect(server.address) as sock:
        sock.sendall(handshake() + b"".join(text(f"{number}") for number in range(200)))
        received = b""
        while not received.endswith(b"\x81\x03199"):
            received += sock.recv(65536)
    assert b"".join(b"\x81\x02%d" % number for number in range(10, 100)) in received


def test_access_log_and_status(serve, tmp_path):
    log = tmp_path / "access.log"
    server = serve(APP, "--access-log", str(log), *STATUS).serving()
    with connected(server) as peer:
        (worker,) = report_of(server)["workers"]
        assert (worker["in_flight"], worker["requests"], worker["connections"]) == (0, 1, 1)
        peer.send("a")
        peer.recv(DEADLINE)
    (line,) = log.read_text().splitlines()
    assert '"GET / HTTP/1.1" 101' in line


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=["reload", "shutdown"])
async def test_worker_that_drains_spreads_the_closes(serve, number):
    """With a time of its own for each client, none of which is early."""
    seconds = 2.0
    options = ["--websocket-drain", str(seconds), "--graceful-timeout", "30"]
    server = await asyncio.to_thread(serve(APP, *options).serving)
    host, port = server.address
    closes = []

    async def client(ready):
        async with websockets.connect(f"ws://{host}:{port}/") as peer:
            worker = int(await peer.recv())
            ready.release()
            with pytest.raises(websockets.ConnectionClosedError) as caught:
                await peer.recv()
            closes.append((time.monotonic(), caught.value.rcvd.code, worker))

    ready = asyncio.Semaphore(0)
    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
        for _ in range(CLIENTS):
            group.create_task(client(ready))
        for _ in range(CLIENTS):
            await ready.acquire()
        start = time.monotonic()
        server.send(number)
    assert {code for _, code, _ in closes} == {1012}
    (worker,) = {worker for _, _, worker in closes}
    times = sorted(when - start for when, _, _ in closes)
    for place, when in enumerate(times):
        assert when >= place * seconds / CLIENTS - 0.05
    if number == signal.SIGHUP:
        await asyncio.to_thread(server.logged, "reloaded: generation 2 serves")
        await asyncio.to_thread(wait_gone, worker)
        assert await asyncio.to_thread(worker_of, server) in server.worker_pids(2)
    else:
        assert await asyncio.to_thread(server.ended) == 0
