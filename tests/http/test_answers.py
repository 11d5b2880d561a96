"""How an answer is framed, and what an application may and may not send."""

import asyncio
import logging

import pytest

from tests.http.serving import (
    GET,
    answering,
    body,
    client,
    serving,
    start,
)
from tests.support.waiting import wait_until

HEAD = GET.replace(b"GET", b"HEAD")
OLD = GET.replace(b"1.1", b"1.0")
OLD_KEPT = OLD.replace(b"Host", b"Connection: keep-alive\r\nHost")


async def answer_to(request, *messages, to_head=False):
    """Return the answer that the messages make, and whether the connection stays in step."""
    async with serving(answering(*messages)) as served, client(served) as peer:
        peer.send(request)
        answer = await peer.answer(to_head=to_head)
        if answer.header(b"connection") == b"close":
            assert await peer.is_closed()
        else:
            peer.send(request)
            assert (await peer.answer(to_head=to_head)).body == answer.body
        return answer


# ---- framing


@pytest.mark.parametrize(
    ("request_bytes", "messages", "expected"),
    [
        (GET, [start(), body(b"hello")], (b"5", None, None, b"hello")),
        (GET, [start(404), body()], (b"0", None, None, b"")),
        (GET, [start(), body(b"he", True), body(b"llo")], (None, b"chunked", None, b"hello")),
        (GET, [start(), body(b"hello", True), body()], (None, b"chunked", None, b"hello")),
        (GET, [start(), body(b"", True), body(b"hello")], (None, b"chunked", None, b"hello")),
        (
            GET,
            [start(headers=[(b"Content-Length", b" 5\t")]), body(b"hel", True), body(b"lo")],
            (b"5", None, None, b"hello"),
        ),
        (
            GET,
            [start(headers=[(b"transfer-encoding", b"gzip, chunked")]), body(b"hello")],
            (b"5", None, None, b"hello"),
        ),
        (GET, [start(204), body()], (None, None, None, b"")),
        (GET, [start(204, [(b"content-length", b"4")]), body(b"null")], (None, None, None, b"")),
        (GET, [start(304), body()], (None, None, None, b"")),
        (GET, [start(304, [(b"content-length", b"4")]), body()], (b"4", None, None, b"")),
        (GET, [start(304, [(b"content-length", b"4")]), body(b"null")], (b"4", None, None, b"")),
        (HEAD, [start(), body(b"hello")], (b"5", None, None, b"")),
        (HEAD, [start(headers=[(b"content-length", b"9")]), body()], (b"9", None, None, b"")),
        (HEAD, [start(), body()], (None, None, None, b"")),
        (HEAD, [start(), body(b"he", True), body(b"llo")], (None, b"chunked", None, b"")),
        (OLD, [start(), body(b"hello")], (b"5", None, b"close", b"hello")),
        (OLD, [start(), body(b"he", True), body(b"llo")], (None, None, b"close", b"hello")),
        (OLD_KEPT, [start(), body(b"hello")], (b"5", None, b"keep-alive", b"hello")),
        (OLD_KEPT, [start(), body(b"he", True), body(b"llo")], (None, None, b"close", b"hello")),
        (
            GET,
            [start(headers=[(b"connection", b"upgrade, Close")]), body(b"hello")],
            (b"5", None, b"close", b"hello"),
        ),
        (
            GET,
            [start(headers=[(b"connection", b"keep-alive")]), body(b"hello")],
            (b"5", None, None, b"hello"),
        ),
    ],
)
async def test_framing(request_bytes, messages, expected):
    answer = await answer_to(request_bytes, *messages, to_head=request_bytes is HEAD)
    length, coding, connection, content = expected
    assert answer.header(b"content-length") == length
    assert answer.header(b"transfer-encoding") == coding
    assert answer.header(b"connection") == connection
    assert answer.body == content


@pytest.mark.parametrize("size", [0, 1, 8000, 8192, 8193, 20_000, 3_000_000])
@pytest.mark.parametrize("more", [False, True], ids=["at_once", "in_chunks"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_bodies_of_all_sizes_arrive(size, more, tls):
    content = bytes(i % 251 for i in range(1000)) * (size // 1000 + 1)
    content = content[:size]
    messages = [body(content[: size // 2], True), body(content[size // 2 :])]
    application = answering(start(), *(messages if more else [body(content)]))
    async with serving(application, tls=tls) as served, client(served, tls=tls) as peer:
        for _ in range(2):
            peer.send(GET)
            assert (await peer.answer()).body == content


@pytest.mark.parametrize(
    "content", [bytearray(b"hello"), memoryview(b"hello")], ids=["bytearray", "memoryview"]
)
async def test_a_mutable_body_is_copied(content):
    async def application(scope, receive, send):
        mutable = bytearray(content)
        await send(start())
        await send(body(mutable if isinstance(content, bytearray) else memoryview(mutable)))
        mutable[:] = b"#####"

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).body == b"hello"


async def test_server_and_date_are_added_unless_the_application_gives_them():
    own = [(b"Server", b"mine"), (b"DATE", b"today")]
    plain = await answer_to(GET, start(), body(b"hello"))
    given = await answer_to(GET, start(headers=own), body(b"hello"))
    assert plain.header(b"server") == b"ngxloop"
    assert plain.header(b"date").endswith(b" GMT")
    assert len(plain.header(b"date")) == 29
    assert (given.header(b"server"), given.header(b"date")) == (b"mine", b"today")


async def test_server_and_date_can_be_left_out():
    async with (
        serving(answering(start(), body()), server_header=False, date_header=False) as served,
        client(served) as peer,
    ):
        peer.send(GET)
        answer = await peer.answer()
    assert answer.header(b"server") is None
    assert answer.header(b"date") is None


async def test_headers_may_be_any_iterable_of_pairs():
    pairs = ([name, value] for name, value in [(b"a", b"1"), (bytearray(b"b"), memoryview(b"2"))])
    async with serving(answering(start(headers=pairs), body())) as served, client(served) as peer:
        peer.send(GET)
        answer = await peer.answer()
    assert (answer.header(b"a"), answer.header(b"b")) == (b"1", b"2")


# ---- what is refused


TOKEN = set(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
CONTROLS = (set(range(32)) - {9}) | {127}


@pytest.mark.parametrize("place", ["name", "value"])
async def test_every_byte_in_a_header(place, caplog):
    """A value cannot end its line, and a name is a token: no answer can be split."""

    async def application(scope, receive, send):
        byte = bytes([int(scope["query_string"])])
        header = (b"x" + byte + b"y", b"v") if place == "name" else (b"x", b"a" + byte + b"b")
        await send(start(headers=[header]))
        await send(body())

    caplog.set_level(logging.CRITICAL)
    async with serving(application) as served:
        for byte in range(256):
            async with client(served) as peer:
                peer.send(GET.replace(b"/", b"/?%d" % byte, 1))
                answer = await peer.answer()
                valid = byte in TOKEN if place == "name" else byte not in CONTROLS
                assert answer.status == (200 if valid else 500), byte
                if valid:
                    wanted = bytes([byte])
                    name = b"x" + wanted + b"y" if place == "name" else b"x"
                    assert dict(answer.headers)[name] == (
                        b"v" if place == "name" else b"a" + wanted + b"b"
                    )


@pytest.mark.parametrize(
    "headers",
    [
        [(b"content-length", b"abc")],
        [(b"content-length", b"")],
        [(b"content-length", b"1 2")],
        [(b"content-length", b"+5")],
        [(b"content-length", b"9" * 30)],
        [(b"content-length", b"5"), (b"Content-Length", b"5")],
        [(b"content-length", b"4")],
        [(b"content-length", b"6")],
        [(b"", b"value")],
        [("name", b"value")],
        [(b"name", "value")],
        [(b"name",)],
        5,
    ],
    ids=str,
)
async def test_a_wrong_head_becomes_a_clean_500(headers, caplog):
    async with (
        serving(answering(start(headers=headers), body(b"hello"))) as served,
        client(served) as peer,
    ):
        peer.send(GET)
        answer = await peer.answer()
        assert answer.status == 500
        assert answer.header(b"connection") == b"close"
        assert await peer.is_closed()
    assert "Exception in ASGI application" in caplog.text


@pytest.mark.parametrize("status", [199, 1000, "200", None, 99])
async def test_a_wrong_status_becomes_a_500(status, caplog):
    answer = await answer_to(GET, start(status), body())
    assert answer.status == 500


async def raised_by(*messages, then=()):
    """Return what the last of the messages raises in the application."""
    raised = asyncio.get_running_loop().create_future()

    async def application(scope, receive, send):
        for message in messages[:-1]:
            await send(message)
        try:
            await send(messages[-1])
        except BaseException as exc:
            raised.set_result((type(exc), str(exc)))
        else:
            raised.set_result(None)
        for message in then:
            await send(message)

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        await wait_until(raised.done)
    return raised.result()


@pytest.mark.parametrize(
    ("messages", "then", "text"),
    [
        (
            [body(b"hello")],
            [start(), body()],
            "Expected ASGI message 'http.response.start', but got 'http.response.body'.",
        ),
        (
            [start(), start()],
            [body()],
            "Expected ASGI message 'http.response.body', but got 'http.response.start'.",
        ),
        (
            [start(), body(b"", True), start()],
            [body()],
            "Expected ASGI message 'http.response.body', but got 'http.response.start'.",
        ),
        (
            [start(), body(), body(b"more")],
            [],
            "Unexpected ASGI message 'http.response.body' sent, after response already completed.",
        ),
        (
            [start(), body(), start()],
            [],
            "Unexpected ASGI message 'http.response.start' sent, after response already completed.",
        ),
        (
            [{"type": "websocket.accept"}],
            [start(), body()],
            "Expected ASGI message 'http.response.start', but got 'websocket.accept'.",
        ),
    ],
)
async def test_messages_out_of_order_raise(messages, then, text):
    assert await raised_by(*messages, then=then) == (RuntimeError, text)


async def test_a_body_that_is_no_bytes_raises():
    kind, text = await raised_by(start(), body("text"), then=[body()])
    assert kind is TypeError
    assert "must be bytes, not str" in text


@pytest.mark.parametrize("content", [b"too long", b"no"])
async def test_a_length_that_is_not_kept_closes_the_connection(content, caplog):
    messages = [start(headers=[(b"content-length", b"5")]), body(b"abc", True), body(content)]
    if content == b"no":
        messages[2] = body(b"d")
    async with serving(answering(*messages)) as served, client(served) as peer:
        peer.send(GET * 2)
        received = await peer.rest()
    head, _, rest = received.partition(b"\r\n\r\n")
    assert b"content-length: 5" in head
    assert rest in (b"abc", b"abcd")
    assert "Response content" in caplog.text


# ---- what an application leaves undone


async def test_no_answer_becomes_a_500(caplog):
    answer = await answer_to(GET)
    assert answer.status == 500
    assert "returned without starting its response" in caplog.text


async def test_a_head_without_a_body_becomes_a_500(caplog):
    answer = await answer_to(GET, start())
    assert answer.status == 500
    assert "returned without completing its response" in caplog.text


async def test_half_an_answer_has_no_last_chunk(caplog):
    async with serving(answering(start(), body(b"half", True))) as served, client(served) as peer:
        peer.send(GET)
        received = await peer.rest()
    assert received.endswith(b"\r\n4\r\nhalf\r\n")
    assert "returned without completing its response" in caplog.text


async def test_an_exception_is_logged_once_and_answered_with_500(caplog):
    async def application(scope, receive, send):
        await send(start())
        raise ValueError("a defect")

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).status == 500
        assert await peer.is_closed()
    assert caplog.text.count("ValueError: a defect") == 1


async def test_an_exception_in_half_an_answer_ends_it(caplog):
    async def application(scope, receive, send):
        await send(start())
        await send(body(b"half", True))
        raise ValueError("a defect")

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.rest()).endswith(b"half\r\n")
    assert caplog.text.count("ValueError: a defect") == 1


async def test_an_application_that_cannot_be_called_is_answered_with_500(caplog):
    async def application(scope):
        raise AssertionError("never runs")

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).status == 500
    assert "TypeError" in caplog.text


async def test_a_body_that_cannot_be_sent_is_warned_of_once(caplog):
    async with serving(answering(start(204), body(b"null"))) as served, client(served) as peer:
        for _ in range(3):
            peer.send(GET)
            assert (await peer.answer()).status == 204
    assert len([r for r in caplog.records if "cannot have a body" in r.getMessage()]) <= 1
