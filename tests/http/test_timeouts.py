"""Limits and time-outs, as a client sees them."""

import asyncio
import contextlib
import http.client
import logging

import pytest

from ngxloop.http import engine
from tests.http.serving import (
    GET,
    body,
    client,
    hello,
    plain_socket,
    read_body,
    serving,
    start,
)
from tests.probes.reactor import ReactorProbe
from tests.support.tls import client_context
from tests.support.waiting import DEADLINE, turns, wait_until

SHORT = 0.15
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"


async def test_a_client_that_asks_for_nothing_is_closed_silently():
    async with serving(hello, client_header_timeout=SHORT) as served, client(served) as peer:
        assert await peer.is_closed()


async def test_a_head_that_takes_too_long_is_answered_with_408():
    async with serving(hello, client_header_timeout=2 * SHORT) as served, client(served) as peer:
        peer.send(b"GET / HTTP/1.1\r\n")
        for _ in range(4):  # what comes meanwhile does not stretch it
            await asyncio.sleep(SHORT / 3)
            peer.send(b"X-Slow: 1\r\n")
        answer = await peer.answer()
        assert answer.status == 408
        assert answer.header(b"connection") == b"close"
        assert await peer.is_closed()


@pytest.mark.parametrize("begun", [False, True])
async def test_a_body_that_stops_ends_the_request(begun):
    async def application(scope, receive, send):
        if begun:
            await send(start())
            await send(body(b"half", True))
        while (await receive())["type"] != "http.disconnect":
            pass

    async with serving(application, client_body_timeout=SHORT) as served, client(served) as peer:
        peer.send(POST + b"he")
        if begun:
            assert (await peer.rest()).endswith(b"half\r\n")
        else:
            assert (await peer.answer()).status == 408
            assert await peer.is_closed()


async def test_the_time_of_a_body_stands_still_while_nothing_is_read():
    async def application(scope, receive, send):
        await asyncio.sleep(4 * SHORT)
        await read_body(receive)
        await hello(scope, receive, send)

    size = 4 << 20
    async with serving(application, client_body_timeout=SHORT) as served, client(served) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        peer.send(bytes(size))
        assert (await peer.answer()).body == b"hello"


async def test_a_body_that_comes_slowly_but_steadily_is_taken():
    async def application(scope, receive, send):
        await read_body(receive)
        await hello(scope, receive, send)

    async with (
        serving(application, client_body_timeout=4 * SHORT) as served,
        client(served) as peer,
    ):
        peer.send(POST)
        for byte in b"hello":
            await asyncio.sleep(SHORT)
            peer.send(bytes([byte]))
        assert (await peer.answer()).body == b"hello"


async def test_a_client_that_takes_nothing_is_cut_off():
    ended = asyncio.Event()

    async def application(scope, receive, send):
        await send(start())
        try:
            while True:
                await send(body(bytes(1 << 20), True))
        except OSError:
            ended.set()

    async with serving(application, send_timeout=SHORT) as served, client(served) as peer:
        peer.writer.transport.pause_reading()
        peer.send(GET)
        await asyncio.wait_for(ended.wait(), DEADLINE)


async def test_an_idle_connection_is_closed_after_its_time():
    async with serving(hello, timeout_keep_alive=SHORT) as served, client(served) as peer:
        peer.send(GET)
        await peer.answer()
        assert await peer.is_closed()


@pytest.mark.parametrize("behind", [b"\r\n", b"\r", b"\r\n\r\n"], ids=repr)
@pytest.mark.parametrize("waits", [False, True])
async def test_an_empty_line_behind_a_request_makes_no_connection_endless(behind, waits):
    async def application(scope, receive, send):
        await read_body(receive)
        if waits:
            await turns(3)
        await hello(scope, receive, send)

    async with (
        serving(application, timeout_keep_alive=SHORT) as served,
        client(served) as peer,
    ):
        peer.send(POST + b"hello" + behind)
        await peer.answer()
        assert await peer.is_closed()


@pytest.mark.parametrize("first", [b"", GET], ids=["waiting", "idle"])
async def test_empty_lines_that_come_slowly_do_not_stretch_the_time(first):
    times = {"client_header_timeout": 3 * SHORT, "timeout_keep_alive": 3 * SHORT}
    async with serving(hello, **times) as served, client(served) as peer:
        engine = served.server.engine
        peer.send(first)
        if first:
            await peer.answer()
        await wait_until(lambda: engine.connections)
        for byte in b"\r\n\r\n\r":  # the last one would be answered with 400
            peer.send(bytes([byte]))
            await asyncio.sleep(SHORT)
        await wait_until(lambda: not engine.connections)
        assert engine.answer_counts["4xx"] == 0


async def test_a_connection_in_use_stays_open():
    async with serving(hello, timeout_keep_alive=2 * SHORT) as served, client(served) as peer:
        for _ in range(8):
            peer.send(GET)
            assert (await peer.answer()).body == b"hello"
            await asyncio.sleep(SHORT / 2)


async def test_a_connection_ends_after_so_many_requests():
    async with serving(hello, keepalive_requests=3) as served, client(served) as peer:
        peer.send(GET * 5)
        answers = [await peer.answer() for _ in range(3)]
        assert [answer.header(b"connection") for answer in answers] == [None, None, b"close"]
        assert await peer.is_closed()


@pytest.mark.parametrize(
    ("options", "request_bytes", "status"),
    [
        ({"limit_target_bytes": 10}, GET.replace(b"/", b"/1234567890", 1), 414),
        ({"limit_field_line_bytes": 20}, GET[:-2] + b"X: " + b"y" * 30 + b"\r\n\r\n", 431),
        ({"limit_fields_bytes": 50}, GET[:-2] + b"X: yyyyyyy\r\n" * 10 + b"\r\n", 431),
        ({"limit_field_count": 3}, GET[:-2] + b"X: y\r\n" * 3 + b"\r\n", 431),
        ({"client_max_body_size": 4}, POST, 413),
    ],
)
async def test_limits_are_options(options, request_bytes, status):
    async with serving(hello, **options) as served, client(served) as peer:
        peer.send(request_bytes)
        answer = await peer.answer()
        assert (answer.status, answer.header(b"connection")) == (status, b"close")
        assert await peer.is_closed()


async def test_a_head_that_is_too_large_is_refused_while_it_comes():
    async with serving(hello) as served, client(served) as peer:
        peer.send(GET[:-2] + b"X: " + b"y" * 10_000)
        assert (await peer.answer()).status == 431


async def test_a_chunked_body_above_the_limit_is_refused_in_the_middle():
    async def application(scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass

    chunks = b"3\r\nabc\r\n"
    async with serving(application, client_max_body_size=10) as served, client(served) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        await wait_until(lambda: served.server.engine.tasks)
        peer.send(chunks * 4)
        assert (await peer.answer()).status == 413
        assert await peer.is_closed()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "after 1 KiB"])
async def test_a_refusal_reaches_a_client_that_is_uploading(tls, chunked):
    """http.client sends the whole body before it reads."""

    async def application(scope, receive, send):
        await read_body(receive)

    def upload(address):
        connection = http.client.HTTPConnection(*address, timeout=DEADLINE)
        if tls:
            connection.connect()
            connection.sock = client_context().wrap_socket(
                connection.sock, server_hostname="localhost"
            )
        content = iter([bytes(512)] * 4 + [bytes(1 << 20)] * 20) if chunked else bytes(20 << 20)
        connection.request("POST", "/", content, encode_chunked=chunked)
        response = connection.getresponse()
        with contextlib.closing(connection):
            return response.status, response.read()

    async with serving(application, tls=tls, client_max_body_size=1024) as served:
        status, content = await asyncio.to_thread(upload, served.address)
    assert status == 413
    assert b"413" in content


@pytest.mark.parametrize("request_bytes", [b"", GET], ids=["waiting", "idle"])
async def test_a_client_that_resets_a_connection_without_a_request_is_no_line_of_the_log(
    request_bytes, caplog
):
    caplog.set_level(logging.INFO)
    async with serving(hello) as served:
        engine = served.server.engine
        async with client(served) as peer:
            peer.send(request_bytes)
            if request_bytes:
                await peer.answer()
            await wait_until(lambda: engine.connections)
            peer.reset()
        await wait_until(lambda: not engine.connections)
    assert caplog.records == []


async def test_an_unread_body_that_never_comes_does_not_hold_the_connection():
    async with serving(hello, lingering_timeout=SHORT) as served, client(served) as peer:
        peer.send(POST + b"he")
        assert (await peer.answer()).body == b"hello"
        assert await peer.is_closed()


async def test_idle_connections_cost_no_timer_for_each_request():
    probe = ReactorProbe(asyncio.get_running_loop())
    async with serving(hello) as served, client(served) as peer:
        peer.send(GET)
        await peer.answer()
        before = probe.timer_count
        for _ in range(50):
            peer.send(GET)
            await peer.answer()
        assert probe.timer_count <= before


async def test_tls_on_a_plain_port_is_refused_and_logged_at_a_limited_rate(caplog, monkeypatch):
    async with serving(hello) as served:
        for now in (1000.0, 1009.0, 1011.0):
            monkeypatch.setattr(engine, "monotonic", lambda now=now: now)
            with plain_socket(served) as sock:
                sock.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                reader = asyncio.get_running_loop().sock_recv(sock, 1000)
                assert (await reader).startswith(b"HTTP/1.1 400 ")
    line = "a client began a TLS handshake on a port without TLS; refused with 400"
    assert caplog.messages == [line, f"{line} (1 more since the last line)"]
