"""A worker that drains finishes what it has begun, until the graceful time-out."""

import asyncio
import contextlib
import re
import signal

import aiohttp
import pytest

from tests.serving.support import (
    connect,
    end_with_a_connection,
    receive_line,
    receive_until,
)

HTTP = [
    pytest.param(("web_asgi:app", "--interface", "asgi"), id="asgi"),
    pytest.param(("web_asgi:app", "--interface", "asgi-uvicorn"), id="asgi-uvicorn"),
    pytest.param(("web_aiohttp:app",), id="aiohttp"),
]
REQUEST = b"POST %s HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize("app", HTTP)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_slow_request_is_finished(serve, app, number):
    server = serve(*app, "--idle-grace", "0.1").serving()
    with connect(server.address) as sock:
        sock.sendall(REQUEST % (b"/slow", 1))
        receive_until(sock, b"begun\n")
        server.send(number)
        server.logged("ending: |reloaded: ")
        sock.sendall(b"x")
        assert b"ended\n" in receive_until(sock, b"")
    assert number == signal.SIGHUP or server.ended() == 0


@pytest.mark.parametrize("app", HTTP)
def test_request_on_an_idle_connection_is_answered_and_told_to_close(serve, app):
    server = serve(*app, "--idle-grace", "30", "--log-level", "debug").serving()
    with connect(server.address) as sock:
        sock.sendall(REQUEST % (b"/", 0))
        assert b"connection: close" not in receive_until(sock, b"\r\n\r\n").lower()
        server.send(signal.SIGTERM)
        server.logged(r"worker 1\.0\[\d+\] draining")
        sock.sendall(REQUEST % (b"/", 0))
        assert b"connection: close" in receive_until(sock, b"").lower()
    assert server.ended() == 0


@pytest.mark.parametrize("app", HTTP)
def test_request_in_progress_is_answered_and_told_to_close(serve, app):
    server = serve(*app, "--idle-grace", "30", "--log-level", "debug").serving()
    with connect(server.address) as sock:
        sock.sendall(REQUEST % (b"/late", 1))
        server.logged("request begun")
        server.send(signal.SIGTERM)
        server.logged(r"worker 1\.0\[\d+\] draining")
        sock.sendall(b"x")
        head = receive_until(sock, b"").lower()
        assert head.count(b"connection:") == head.count(b"connection: close") == 1
    assert server.ended() == 0


@pytest.mark.parametrize("app", HTTP)
def test_connection_that_has_not_asked_yet_is_answered(serve, app):
    server = serve(*app, "--idle-grace", "30", "--log-level", "debug").serving()
    with connect(server.address) as idle, connect(server.address) as sock:
        idle.sendall(REQUEST % (b"/", 0))
        receive_until(idle, b"\r\n\r\n")
        server.send(signal.SIGHUP)
        server.logged(r"worker 1\.0\[\d+\] draining")
        sock.sendall(REQUEST % (b"/", 0))
        assert receive_line(sock) == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("app", HTTP)
def test_idle_connection_is_closed_after_the_grace(serve, app):
    server = serve(*app, "--idle-grace", "0.1").serving()
    with connect(server.address) as sock:
        sock.sendall(REQUEST % (b"/", 0))
        receive_until(sock, b"\r\n\r\n")
        server.send(signal.SIGTERM)
        receive_until(sock, b"")
    assert server.ended() == 0


@pytest.mark.parametrize("app", HTTP)
def test_request_that_hangs_is_cancelled_at_the_deadline(serve, app):
    server = serve(*app, "--graceful-timeout", "0.5", "--idle-grace", "0").serving()
    with connect(server.address) as sock:
        sock.sendall(REQUEST % (b"/hang", 0))
        server.logged("request hangs")
        server.send(signal.SIGTERM)
        server.logged("request cancelled")
    assert server.ended() == 0
    assert "application cleaned up" in server.log or "lifespan ended" in server.log
    assert "killed" not in server.log
    named = re.search(r"not drained at the deadline; cancelling (.*)", server.log)
    assert f"{app[0].partition(':')[0]}.py:" in named[1]


def test_shut_down_that_raises_is_reported_and_ends_the_worker(serve):
    server = serve("web_aiohttp:rude").serving()
    assert server.end() == 0
    assert "web_aiohttp:rude raised while it was shutting down" in server.log
    assert "RuntimeError: cannot say goodbye" in server.log
    assert "exited with code 1" in server.log


@pytest.mark.complaint(10)
def test_websocket_is_closed_as_restarting(serve):
    server = serve("web_asgi:app", "--idle-grace", "0").serving()
    assert asyncio.run(close_code_after(server, signal.SIGTERM)) == 1012
    assert server.ended() == 0


async def close_code_after(server, number):
    async with aiohttp.ClientSession() as session, session.ws_connect(server.url) as socket:
        await socket.send_str("one")
        assert await socket.receive_str() == "one"
        server.send(number)
        message = await socket.receive()
        assert message.type is aiohttp.WSMsgType.CLOSE
        return message.data


def test_stream_handler_is_finished(serve):
    server = serve("plain:echo", "--log-level", "debug").serving()
    end_with_a_connection(server)


def test_stream_handler_that_hangs_is_cancelled_at_the_deadline(serve):
    server = serve("plain:hang", "--graceful-timeout", "0.2").serving()
    with connect(server.address) as sock:
        receive_line(sock)
        server.send(signal.SIGTERM)
        server.logged(r"1 stream handlers cancelled at the deadline: .*\(hang, .*plain\.py:\d+\)")
        server.logged("handler cancelled")
    assert server.ended() == 0


@pytest.mark.parametrize("app", ["plain:Echo", "plain:BufferedEcho"])
def test_protocol_connection_lives_until_its_client_goes(serve, app):
    server = serve(app, "--log-level", "debug").serving()
    end_with_a_connection(server)


def test_protocol_connection_is_closed_at_the_deadline(serve):
    server = serve("plain:Echo", "--graceful-timeout", "0.2").serving()
    with connect(server.address) as sock:
        receive_line(sock)
        server.send(signal.SIGTERM)
        with contextlib.suppress(ConnectionResetError):  # aborted, where asyncio can do that
            assert sock.recv(1) == b""
    assert server.ended() == 0


def test_worker_that_blocks_is_killed_after_the_deadline(serve):
    server = serve("web_asgi:app", "--graceful-timeout", "0").serving()
    with connect(server.address) as sock:
        sock.sendall(REQUEST % (b"/block", 0))
        server.logged("worker blocks")
        server.send(signal.SIGTERM)
        server.logged("did not exit in time; killed")
    assert server.ended() == 0
