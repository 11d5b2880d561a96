"""Handshakes: what is asked for, what is answered, and what is refused."""

import asyncio
import logging

import pytest

from tests.http.serving import GET, answering, client, hello, serving
from tests.http.websocket.frames import (
    ACCEPT,
    CLOSE,
    KEY,
    accepting,
    close,
    echo,
    frame,
    handshake,
    key,
    text,
    websocket,
)
from tests.support.waiting import wait_until

VERSION, KEY_NAME = b"Sec-WebSocket-Version", b"Sec-WebSocket-Key"


async def refused(request, **options):
    """Return the answer to a request behind which the connection closes."""
    async with serving(echo, **options) as served, client(served) as peer:
        peer.send(request)
        answer = await peer.answer()
        assert answer.header(b"connection") == b"close"
        assert await peer.is_closed()
    assert served.server.engine.websocket_count == 0
    return answer


async def test_answer_to_a_handshake():
    async with serving(echo, headers=[(b"x-own", b"1")]) as served, websocket(served) as peer:
        fields = dict(peer.answer.headers)
        assert fields.pop(b"date")
        assert fields == {
            b"upgrade": b"websocket",
            b"connection": b"Upgrade",
            b"sec-websocket-accept": ACCEPT,
            b"server": b"ngxloop",
            b"x-own": b"1",
        }
        assert served.server.engine.websocket_count == 1
    await wait_until(lambda: not served.server.engine.connections)


async def test_scope():
    scopes = []

    async def application(scope, receive, send):
        scopes.append(scope)
        await echo(scope, receive, send)

    request = {b"Sec-WebSocket-Protocol": b"a, b", b"X-Forwarded-Proto": b"wss"}
    async with (
        serving(application, forwarded_allow_ips="127.0.0.1", root_path="/root") as served,
        client(served) as peer,
    ):
        peer.send(handshake(request, line=b"GET /a%20b?c=d HTTP/1.1"))
        await peer.answer()
    scope = scopes[0]
    assert "method" not in scope
    assert scope["type"] == "websocket"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert (scope["path"], scope["raw_path"]) == ("/root/a b", b"/a%20b")
    assert scope["query_string"] == b"c=d"
    assert scope["scheme"] == "wss"
    assert scope["subprotocols"] == ["a", "b"]
    assert scope["extensions"] == {"websocket.http.response": {}}
    assert (b"sec-websocket-key", KEY) in scope["headers"]
    assert scope["server"] == served.address


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({VERSION: b"8"}, 426),
        ({VERSION: b"013"}, 426),
        ({VERSION: None}, 426),
        ({VERSION: b"13\r\nSec-WebSocket-Version: 13"}, 426),
        ({KEY_NAME: None}, 400),
        ({KEY_NAME: KEY + b"\r\nSec-WebSocket-Key: " + KEY}, 400),
        ({KEY_NAME: b"short"}, 400),
        ({KEY_NAME: key(bytes(15))}, 400),
        ({KEY_NAME: key(bytes(17))}, 400),
        ({KEY_NAME: key(bytes(16))[:-2] + b"!="}, 400),
        ({KEY_NAME: key(bytes(16)).replace(b"A", b" ")}, 400),
        ({b"Content-Length": b"1"}, 400),
        ({b"Transfer-Encoding": b"chunked"}, 400),
        ({b"Sec-WebSocket-Extensions": b"permessage deflate"}, 400),
        ({b"Sec-WebSocket-Extensions": b'a; b="'}, 400),
    ],
    ids=repr,
)
async def test_handshake_that_is_refused(fields, status):
    answer = await refused(handshake(fields))
    assert answer.status == status
    version = b"13" if status == 426 else None
    assert answer.header(b"sec-websocket-version") == version
    assert answer.header(b"upgrade") == (b"websocket" if version else None)


@pytest.mark.parametrize(
    "request_of_http",
    [
        handshake(line=b"POST / HTTP/1.1"),
        handshake({b"Upgrade": None}),
        handshake({b"Upgrade": b"h2c"}),
        handshake({b"Connection": b"keep-alive"}),
        handshake({b"Connection": b"keep-alive, Upgrade"}, line=b"GET / HTTP/1.0"),
    ],
    ids=["POST", "no Upgrade", "h2c", "no Connection: upgrade", "HTTP/1.0"],
)
async def test_request_that_asks_for_no_websocket_is_one_of_http(request_of_http):
    async with serving(hello) as served, client(served) as peer:
        peer.send(request_of_http + GET)
        assert (await peer.answer()).body == b"hello"
        assert (await peer.answer()).body == b"hello"


@pytest.mark.parametrize(
    "fields",
    [
        {b"Upgrade": b"WebSocket"},
        {b"Upgrade": b"h2c, websocket"},
        {b"Connection": b"keep-alive, Upgrade"},
        {b"Connection": b"upgrade"},
    ],
    ids=repr,
)
async def test_words_of_a_handshake_are_read_as_lists_in_any_case(fields):
    async with serving(echo) as served, websocket(served, fields) as peer:
        peer.send(close(1000))
        assert await peer.close_code() == 1000


async def test_subprotocol_and_fields_of_the_application():
    async def application(scope, receive, send):
        await receive()
        await send(
            {
                "type": "websocket.accept",
                "subprotocol": scope["subprotocols"][1],
                "headers": [
                    (b"X-Own", b"1"),
                    (b"server", b"mine"),
                    (b"Connection", b"close"),
                    (b"Sec-WebSocket-Accept", b"wrong"),
                    (b"content-length", b"5"),
                ],
            }
        )

    offers = {b"Sec-WebSocket-Protocol": b"a\r\nSec-WebSocket-Protocol: b"}
    async with serving(application) as served, websocket(served, offers) as peer:
        assert peer.answer.header(b"sec-websocket-protocol") == b"b"
        assert peer.answer.header(b"x-own") == b"1"
        assert peer.answer.header(b"server") == b"mine"
        assert peer.answer.header(b"connection") == b"Upgrade"
        assert peer.answer.header(b"content-length") is None


@pytest.mark.parametrize(
    "message",
    [
        {"subprotocol": "a\r\nx: y"},
        {"headers": [(b"a b", b"c")]},
        {"headers": [(b"a", b"b\nc")]},
    ],
    ids=repr,
)
async def test_answer_with_an_invalid_field_is_not_sent(message, caplog):
    async def application(scope, receive, send):
        await send({"type": "websocket.accept", **message})

    async with serving(application) as served, client(served) as peer:
        peer.send(handshake())
        assert (await peer.answer()).status == 500
        assert await peer.is_closed()
    assert "RuntimeError: Invalid" in caplog.text


# ---- answers that are not 101


async def test_close_before_accept_denies_with_403():
    received = []

    async def application(scope, receive, send):
        received.append(await receive())
        await send({"type": "websocket.close", "code": 4000})
        received.append(await receive())
        with pytest.raises(RuntimeError, match="after sending 'websocket"):
            await send({"type": "websocket.accept"})

    async with serving(application) as served, client(served) as peer:
        peer.send(handshake())
        answer = await peer.answer()
        assert (answer.status, answer.header(b"connection")) == (403, b"close")
        assert await peer.is_closed()
        await wait_until(lambda: not served.server.engine.tasks)
    assert received[1] == {"type": "websocket.disconnect", "code": 1006, "reason": ""}


@pytest.mark.parametrize("frames", [b"", text("early")], ids=["nothing", "frames"])
async def test_denial_response(frames):
    application = answering(
        {"type": "websocket.http.response.start", "status": 401, "headers": [(b"a", b"b")]},
        {"type": "websocket.http.response.body", "body": b"log ", "more_body": True},
        {"type": "websocket.http.response.body", "body": b"in"},
    )
    async with serving(application) as served, client(served) as peer:
        peer.send(handshake() + frames)
        answer = await peer.answer()
        assert (answer.status, answer.body) == (401, b"log in")
        assert answer.header(b"a") == b"b"
        assert answer.header(b"connection") == b"close"
        assert await peer.is_closed()


@pytest.mark.parametrize("raises", [False, True])
async def test_application_that_ends_without_an_answer(raises, caplog):
    async def application(scope, receive, send):
        if raises:
            raise ValueError("a defect")

    async with serving(application) as served, client(served) as peer:
        peer.send(handshake())
        assert (await peer.answer()).status == 500
        assert await peer.is_closed()
    expected = "Exception in ASGI application" if raises else "without completing handshake"
    assert [expected in record.getMessage() for record in caplog.records] == [True]


async def test_client_that_leaves_before_the_answer(caplog):
    received = []
    left = asyncio.Event()

    async def application(scope, receive, send):
        await receive()
        received.append(await receive())
        left.set()
        await send({"type": "websocket.accept"})

    async with serving(application) as served, client(served) as peer:
        peer.send(handshake())
        await wait_until(lambda: served.server.engine.tasks)
        peer.writer.write_eof()
        await left.wait()
        await wait_until(lambda: not served.server.engine.tasks)
        assert await peer.is_closed()
    assert received == [{"type": "websocket.disconnect", "code": 1006, "reason": ""}]
    assert caplog.records == []


async def test_access_log_has_a_line_for_each_handshake():
    lines = []
    async with (
        serving(echo, access_log=lines.append) as served,
        websocket(served) as peer,
    ):
        assert [(line.method, line.target, line.status) for line in lines] == [("GET", "/", 101)]
        assert served.server.engine.active_count == 0
        peer.send(close(1000))
        await peer.rest()
        async with client(served) as other:
            other.send(handshake({VERSION: b"8"}))
            await other.answer()
    assert [line.status for line in lines] == [101, 426]
    assert served.server.engine.answer_counts["1xx"] == 1
    assert served.server.engine.request_count == 2


async def test_handshake_behind_a_request_on_the_same_connection():
    async def application(scope, receive, send):
        await (hello if scope["type"] == "http" else echo)(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        peer.send(GET + handshake() + text("early") + close(1000))
        assert (await peer.answer()).body == b"hello"
        assert (await peer.answer()).status == 101
        assert await peer.rest() == frame(1, b"early", mask=None) + frame(
            CLOSE, b"\x03\xe8", mask=None
        )


async def test_handshake_above_the_limit_of_requests_in_progress_is_refused():
    release = asyncio.Event()

    async def application(scope, receive, send):
        await release.wait()
        await hello(scope, receive, send)

    async with (
        serving(application, limit_concurrency=1) as served,
        client(served) as busy,
        client(served) as peer,
    ):
        busy.send(GET)
        await wait_until(lambda: served.server.engine.active_count)
        peer.send(handshake())
        assert (await peer.answer()).status == 503
        release.set()
        await busy.answer()


async def test_websockets_do_not_count_as_requests_in_progress():
    async with (
        serving(echo, limit_concurrency=1) as served,
        websocket(served),
        websocket(served) as peer,
    ):
        peer.send(text("a"))
        assert (await peer.frame()).payload == b"a"


async def test_application_that_returns_closes_with_1000(caplog):
    async with (
        serving(accepting({"type": "websocket.send", "text": "a"})) as served,
        websocket(served) as peer,
    ):
        assert (await peer.frame()).payload == b"a"
        assert await peer.frame() == (CLOSE, b"\x03\xe8", True, 0)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
