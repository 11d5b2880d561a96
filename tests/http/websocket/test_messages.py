"""What an application receives and may send, and how its end closes the connection."""

import asyncio
import gc
import logging

import pytest

from ngxloop.http import ClientDisconnected
from tests.http.serving import client, serving
from tests.http.websocket.frames import (
    BINARY,
    CLOSE,
    TEXT,
    Frame,
    Recorder,
    accepting,
    close,
    frame,
    handshake,
    text,
    websocket,
)
from tests.support.waiting import wait_until

ACCEPT = {"type": "websocket.accept"}


def warnings_of(caplog):
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


async def raised_by(*messages, answered=True):
    """Return what send() raises for the last of an application's messages."""
    raised = []

    async def application(scope, receive, send):
        *first, last = messages
        for message in first:
            await send(message)
        try:
            await send(last)
        except Exception as exc:
            raised.append(exc)

    async with serving(application) as served, client(served) as peer:
        peer.send(handshake())
        await wait_until(lambda: raised or not served.server.engine.tasks)
        if answered:
            await peer.answer()
    return raised[0]


SEND = {"type": "websocket.send", "text": "a"}
DENY = {"type": "websocket.http.response.start", "status": 401}
BODY = {"type": "websocket.http.response.body"}
WANTED = "'websocket.accept', 'websocket.close' or 'websocket.http.response.start' but got"


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([SEND], f"Expected ASGI message {WANTED} 'websocket.send'."),
        ([BODY], f"Expected ASGI message {WANTED} 'websocket.http.response.body'."),
        ([{"type": "http.response.start", "status": 200}], f"{WANTED} 'http.response.start'."),
        ([{"type": "http.response.body"}], f"{WANTED} 'http.response.body'."),
        (
            [ACCEPT, ACCEPT],
            "message 'websocket.send' or 'websocket.close', but got 'websocket.accept'.",
        ),
        ([ACCEPT, DENY], "but got 'websocket.http.response.start'."),
        ([ACCEPT, {"type": "http.response.body"}], "but got 'http.response.body'."),
        (
            [DENY, SEND],
            "Expected ASGI message 'websocket.http.response.body' but got 'websocket.send'.",
        ),
        (
            [ACCEPT, {"type": "websocket.close"}, SEND],
            "Unexpected ASGI message 'websocket.send', after sending 'websocket.close'.",
        ),
        ([DENY, BODY, BODY], "'websocket.http.response.body', after sending 'websocket.close'."),
        ([ACCEPT, {"type": "websocket.close"}, {"type": "http.response.body"}], "after sending"),
    ],
)
async def test_message_out_of_order_raises_as_with_uvicorn(messages, words):
    exc = await raised_by(*messages)
    assert type(exc) is RuntimeError
    assert words in str(exc)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "websocket.send"},
        {"type": "websocket.send", "text": None, "bytes": None},
        {"type": "websocket.send", "text": b"a"},
        {"type": "websocket.send", "bytes": "a"},
        {"type": "websocket.send", "bytes": [1]},
        {"type": "websocket.close", "reason": b"a"},
    ],
    ids=repr,
)
async def test_message_of_a_wrong_type_raises(message):
    assert type(await raised_by(ACCEPT, message)) is TypeError


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, "1000"])
async def test_close_code_that_no_endpoint_may_send_raises(code):
    exc = await raised_by(ACCEPT, {"type": "websocket.close", "code": code})
    assert str(exc) == f"Invalid close code: {code!r}"


@pytest.mark.parametrize(
    ("message", "opcode", "payload"),
    [
        ({"text": ""}, TEXT, b""),
        ({"text": "ä" * 3000}, TEXT, "ä".encode() * 3000),
        ({"text": "€" * 2000}, TEXT, "€".encode() * 2000),
        ({"text": "a" * 70_000}, TEXT, b"a" * 70_000),
        ({"bytes": b""}, BINARY, b""),
        ({"bytes": b"a" * 126}, BINARY, b"a" * 126),
        ({"bytes": bytearray(b"ab")}, BINARY, b"ab"),
        ({"bytes": memoryview(b"abcd")[::2]}, BINARY, b"ac"),
        ({"bytes": b"a", "text": None}, BINARY, b"a"),
        ({"bytes": None, "text": "a"}, TEXT, b"a"),
        ({"bytes": b"x" * 4_000_000}, BINARY, b"x" * 4_000_000),
    ],
    ids=lambda value: f"{value!r:.13}",
)
async def test_message_is_sent(message, opcode, payload):
    application = accepting({"type": "websocket.send", **message})
    async with serving(application) as served, websocket(served) as peer:
        assert await peer.frame() == Frame(opcode, payload)
        assert (await peer.frame()).opcode == CLOSE


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (close(), 1005, ""),
        (close(1000), 1000, ""),
        (close(3456, "wäre".encode()), 3456, "wäre"),
        (b"", 1006, ""),
        (frame(3), 1002, "unknown opcode"),
        (frame(TEXT, b"\xff"), 1007, "text is not UTF-8"),
    ],
    ids=["no code", "a code", "a reason", "no Close", "an error", "no text"],
)
async def test_application_is_told_how_the_connection_has_ended(sent, code, reason):
    application = Recorder()
    async with serving(application) as served, websocket(served) as peer:
        peer.send(text("before"), sent)
        peer.peer.writer.write_eof()
        await wait_until(lambda: application.ended)
    assert application.received == ["before"]
    assert application.ended == {"type": "websocket.disconnect", "code": code, "reason": reason}


@pytest.mark.parametrize("sent", [b"", close(1000), text("a") + frame(3)], ids=repr)
async def test_connection_ends_at_once_with_a_client_that_has_ended_its_half(sent):
    application = Recorder()
    options = {"lingering_timeout": 1000, "lingering_time": 1000}
    async with serving(application, **options) as served, websocket(served) as peer:
        peer.send(sent)
        peer.peer.writer.write_eof()
        await wait_until(lambda: not served.server.engine.connections)
        assert application.ended


async def test_reset_is_the_end_of_a_connection_without_a_close():
    application = Recorder()
    async with serving(application) as served, websocket(served) as peer:
        peer.peer.reset()
        await wait_until(lambda: application.ended)
    assert application.ended == {"type": "websocket.disconnect", "code": 1006, "reason": ""}


@pytest.mark.parametrize("end", [close(1001), frame(3), None], ids=["Close", "error", "reset"])
async def test_send_raises_behind_the_end_and_that_is_not_logged(end, caplog):
    raised = []

    async def application(scope, receive, send):
        await receive()
        await send(ACCEPT)
        assert (await receive())["type"] == "websocket.disconnect"
        assert (await receive())["type"] == "websocket.disconnect"  # again, for whoever asks
        for kind in ("websocket.close", "websocket.send"):
            try:
                await send({"type": kind, "text": "a"})
            except OSError as exc:
                raised.append(exc)
                last = exc
        raise last

    async with serving(application) as served, websocket(served) as peer:
        if end is None:
            peer.peer.reset()
        else:
            peer.send(end)
        await wait_until(lambda: raised and not served.server.engine.tasks)
    assert [type(exc) for exc in raised] == [ClientDisconnected] * 2
    assert warnings_of(caplog) == []


async def test_close_of_the_application():
    received = []

    async def application(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
        received.append(await receive())

    async with serving(application) as served, websocket(served) as peer:
        peer.send(text("too late"))
        assert await peer.frame() == Frame(CLOSE, b"\x0f\xa1enough")
        peer.send(text("too late, too"), close(4001))
        assert await peer.rest() == []
    assert received == [{"type": "websocket.disconnect", "code": 4001, "reason": "enough"}]


async def test_reason_that_is_too_long_is_cut_between_two_characters():
    application = accepting({"type": "websocket.close", "reason": "€" * 100})
    async with serving(application) as served, websocket(served) as peer:
        assert (await peer.frame()).payload[2:].decode() == "€" * 41


@pytest.mark.parametrize("close_code", [None, 1000], ids=["no answer", "an answer"])
async def test_client_has_some_time_to_answer_a_close(close_code):
    application = accepting()
    async with serving(application, lingering_timeout=0.1) as served, websocket(served) as peer:
        assert (await peer.frame()).opcode == CLOSE
        if close_code:
            peer.send(close(close_code))
        assert await peer.rest() == []


async def test_exception_of_an_application_closes_with_1011(caplog):
    async def application(scope, receive, send):
        await receive()
        await send(ACCEPT)
        await receive()
        raise ValueError("a defect")

    async with serving(application) as served, websocket(served) as peer:
        peer.send(text("a"))
        assert await peer.frame() == Frame(CLOSE, b"\x03\xf3")
    assert caplog.text.count("ValueError: a defect") == 1


async def test_application_that_is_cancelled_closes_with_1011():
    async with serving(Recorder()) as served, websocket(served) as peer:
        await wait_until(lambda: served.server.engine.tasks)
        (task,) = served.server.engine.tasks
        task.cancel()
        assert await peer.frame() == Frame(CLOSE, b"\x03\xf3")


async def test_messages_are_received_in_several_tasks():
    received = []

    async def application(scope, receive, send):
        await receive()
        await send(ACCEPT)

        async def take():
            received.append((await receive())["text"])

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(take())
            for _ in range(2):
                group.create_task(send({"type": "websocket.send", "text": "x"}))

    async with serving(application) as served, websocket(served) as peer:
        assert [(await peer.frame()).payload for _ in range(2)] == [b"x", b"x"]
        peer.send(text("a"), text("b"))
        peer.send(text("c"))
        assert (await peer.frame()).opcode == CLOSE
    assert sorted(received) == ["a", "b", "c"]


async def test_receive_that_is_cancelled_loses_no_message():
    received = []

    async def application(scope, receive, send):
        await receive()
        await send(ACCEPT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.01)
        await send(SEND)
        received.append((await receive())["text"])

    async with serving(application) as served, websocket(served) as peer:
        await peer.frame()
        peer.send(text("kept"))
        await peer.frame()
    assert received == ["kept"]


@pytest.mark.parametrize("end", [close(1000), frame(3), None], ids=["Close", "error", "reset"])
async def test_nothing_of_a_connection_that_has_ended_waits_for_the_collector(end):
    fields = {b"Sec-WebSocket-Extensions": b"permessage-deflate"}
    async with serving(Recorder()) as served:
        gc.collect()
        gc.disable()
        try:
            async with websocket(served, fields) as peer:
                peer.send(text("a"), end or b"")
                if end is None:
                    peer.peer.reset()
                else:
                    await peer.rest()
            await wait_until(
                lambda: not served.server.engine.connections and not served.server.engine.tasks
            )
            left = {type(found).__name__ for found in gc.get_objects()}
        finally:
            gc.enable()
    assert not left & {"WebSocket", "Wire", "HttpConnection", "Deflate"}
