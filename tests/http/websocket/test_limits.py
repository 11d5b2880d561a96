"""Limits and time-outs: sizes, queues, Pings, and clients that take nothing."""

import asyncio
import socket

import pytest

from tests.http.serving import plain_socket, serving
from tests.http.websocket.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    Recorder,
    accepting,
    close,
    echo,
    frame,
    handshake,
    text,
    websocket,
)
from tests.http.websocket.table import fragments
from tests.support.waiting import turns, wait_until

SHORT = 0.15
TOO_LARGE = Frame(CLOSE, b"\x03\xf1message is too large")


@pytest.mark.parametrize(
    "sent",
    [
        frame(BINARY, b"*" * 101),
        frame(BINARY, b"*" * 300),
        b"".join(fragments(b"*" * 101, 30)),
        bytes([0x82, 0xFF]) + (1 << 40).to_bytes(8, "big"),
        frame(TEXT, b"*" * 60, fin=False) + bytes([0x80, 0x80 + 41]),
    ],
    ids=["one frame", "of two bytes", "fragments", "announced", "announced fragment"],
)
async def test_message_that_is_too_large(sent):
    application = Recorder()
    async with serving(application, ws_max_size=100) as served, websocket(served) as peer:
        peer.send(frame(BINARY, b"*" * 100), sent)
        assert await peer.rest() == [TOO_LARGE]
        await wait_until(lambda: application.ended)
    assert application.received == [b"*" * 100]
    assert application.ended["code"] == 1009


async def test_client_that_is_still_sending_reads_why_it_is_closed():
    async with serving(echo, ws_max_size=100) as served, websocket(served) as peer:
        peer.send(frame(BINARY, bytes(5_000_000)))
        assert await peer.rest() == [TOO_LARGE]


async def test_message_of_any_size_without_a_limit():
    async with serving(echo, ws_max_size=0) as served, websocket(served) as peer:
        peer.send(*fragments(bytes(20 << 20), 1 << 20, BINARY), close(1000))
        frames = await peer.rest()
        assert [len(found.payload) for found in frames] == [20 << 20, 2]


@pytest.mark.parametrize("tls", [False, True], ids=["TCP", "TLS"])
@pytest.mark.parametrize("size", [0, 1, 10_000], ids=["empty", "small", "large"])
async def test_reading_pauses_while_messages_wait_and_none_is_lost(size, tls):
    go_on = asyncio.Event()
    received = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await go_on.wait()
        while (message := await receive())["type"] == "websocket.receive":
            received.append(message["bytes"])
        received.append(message["code"])

    count = 3000
    async with serving(application, tls=tls) as served, websocket(served, tls=tls) as peer:
        (wire,) = served.server.engine.connections
        for number in range(count):
            peer.send(frame(BINARY, b"%d" % (number % 10) * size))
        peer.send(close(3000))
        await wait_until(lambda: "paused" in repr(wire))
        go_on.set()
        assert await peer.close_code() == 3000
        await wait_until(lambda: received and received[-1] == 3000)
    assert received[:-1] == [b"%d" % (number % 10) * size for number in range(count)]


async def test_ping_is_answered_while_the_application_receives_nothing():
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    async with serving(application) as served, websocket(served) as peer:
        peer.send(text("a"), frame(PING, b"1"), text("b"), frame(PING, b"2"))
        assert await peer.frame() == Frame(PONG, b"1")
        assert await peer.frame() == Frame(PONG, b"2")


async def test_close_is_answered_while_the_application_receives_nothing():
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    async with serving(application) as served, websocket(served) as peer:
        peer.send(text("a"), close(1001))
        assert await peer.close_code() == 1001


async def test_send_waits_while_the_client_takes_nothing():
    sent = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        for _ in range(100):
            await send({"type": "websocket.send", "bytes": bytes(1 << 18)})
            sent.append(None)

    async with serving(application) as served, websocket(served) as peer:
        peer.peer.writer.transport.pause_reading()
        (wire,) = served.server.engine.connections
        await wait_until(lambda: "blocked" in repr(wire))
        await turns(5)
        assert len(sent) < 90
        peer.peer.writer.transport.resume_reading()
        for _ in range(100):
            assert len((await peer.frame()).payload) == 1 << 18


async def test_only_the_last_ping_is_answered_to_a_client_that_takes_nothing():
    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": bytes(20 << 20)})
        await asyncio.Event().wait()

    async with serving(application) as served, websocket(served) as peer:
        peer.peer.writer.transport.pause_reading()
        (wire,) = served.server.engine.connections
        await wait_until(lambda: "blocked" in repr(wire))
        before = len(served.server.engine.connections)
        for number in range(1000):
            peer.send(frame(PING, b"%d" % number))
        await peer.peer.writer.drain()
        peer.send(text("behind them"))
        await wait_until(lambda: "1 waiting" in repr(wire))
        peer.peer.writer.transport.resume_reading()
        assert len((await peer.frame()).payload) == 20 << 20
        assert await peer.frame() == Frame(PONG, b"999")
        assert before == 1


async def test_only_some_of_many_pings_that_come_together_are_answered():
    application = Recorder()
    async with serving(application) as served, websocket(served) as peer:
        peer.send(*(frame(PING, b"%d" % number) for number in range(1000)), text("a"))
        await wait_until(lambda: application.received)
        peer.send(close(1000))
        *pongs, _ = await peer.rest()
    assert pongs[:16] == [Frame(PONG, b"%d" % number) for number in range(16)]
    assert pongs[-1] == Frame(PONG, b"999")
    assert len(pongs) < 100


async def test_client_that_takes_nothing_is_closed():
    raised = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "bytes": bytes(1 << 20)})
        except OSError as exc:
            raised.append(exc)
            raise

    async with serving(application, send_timeout=SHORT) as served, websocket(served) as peer:
        peer.peer.writer.transport.pause_reading()
        await wait_until(lambda: raised)
        await wait_until(lambda: not served.server.engine.connections)


async def test_client_that_ends_its_half_and_takes_nothing_is_closed():
    waiting = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        (wire,) = served.server.engine.connections
        while "bufsize=0" in repr(wire):  # less than what makes send() wait
            await send({"type": "websocket.send", "bytes": bytes(4000)})
        waiting.append(wire)
        while (await receive())["type"] == "websocket.receive":
            pass

    async with serving(application, send_timeout=SHORT) as served:
        with plain_socket(served) as sock:
            sock.send(handshake())
            await wait_until(lambda: waiting)
            sock.shutdown(socket.SHUT_WR)
            await wait_until(lambda: not served.server.engine.connections)


# ---- our Pings


async def test_client_that_answers_pings_stays():
    options = {"ws_ping_interval": SHORT / 5, "ws_ping_timeout": 4 * SHORT}
    async with serving(Recorder(), **options) as served, websocket(served) as peer:
        payloads = []
        for _ in range(30):  # longer than the time-out
            ping = await peer.frame()
            assert ping.opcode == PING
            payloads.append(ping.payload)
            peer.send(frame(PONG, ping.payload))
        assert len(set(payloads)) == 30
        peer.send(close(1000))
        assert (await peer.rest())[-1].opcode == CLOSE


async def test_client_that_answers_no_ping_is_closed_with_1011():
    application = Recorder()
    options = {"ws_ping_interval": SHORT / 5, "ws_ping_timeout": SHORT}
    async with serving(application, **options) as served, websocket(served) as peer:
        ping, *_, last = await peer.rest()
        assert ping.opcode == PING
        assert last == Frame(CLOSE, b"\x03\xf3keepalive ping timeout")
        await wait_until(lambda: application.ended)
    assert application.ended["code"] == 1011


async def test_client_in_the_middle_of_a_frame_is_not_taken_for_gone():
    options = {"ws_ping_interval": SHORT / 5, "ws_ping_timeout": SHORT, "lingering_timeout": 9}
    message = frame(BINARY, bytes(60))
    async with serving(echo, **options) as served, websocket(served) as peer:
        for place in range(0, len(message), 2):
            peer.send(message[place : place + 2])
            await asyncio.sleep(SHORT / 10)  # three time-outs altogether
        while (found := await peer.frame()).opcode == PING:
            pass
        assert found == Frame(BINARY, bytes(60))


async def test_ping_is_not_missed_while_nothing_is_read():
    release = asyncio.Event()

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        await release.wait()
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})

    options = {"ws_ping_interval": SHORT / 5, "ws_ping_timeout": SHORT, "ws_max_queue": 1}
    async with serving(application, **options) as served, websocket(served) as peer:
        peer.send(text("a"), text("b"))
        await peer.frame()
        await asyncio.sleep(3 * SHORT)
        release.set()
        payloads = []
        while len(payloads) < 2:
            found = await peer.frame()
            if found.opcode == PING:
                peer.send(frame(PONG, found.payload))
            else:
                payloads.append(found.payload)
        assert payloads == [b"a", b"b"]


async def test_no_pings_without_an_interval():
    application = accepting({"type": "websocket.send", "text": "a"})
    async with serving(application, ws_ping_interval=0) as served, websocket(served) as peer:
        assert (await peer.frame()).opcode == TEXT
        assert (await peer.frame()).opcode == CLOSE
