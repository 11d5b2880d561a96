"""What a request leaves behind for the next one: memory of the engine's own, and nothing else."""

import asyncio
import contextvars
import sys
import weakref
from collections import UserDict

import pytest

from tests.http.serving import (
    GET,
    answering,
    body,
    client,
    hello,
    post,
    read_body,
    serving,
    start,
)
from tests.http.test_surroundings import turn_until_done

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="default")

OLD_GET = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
HEAD = GET.replace(b"GET", b"HEAD")
TRAILERS_GET = GET.replace(b"\r\n\r\n", b"\r\nTE: trailers\r\n\r\n")


async def test_methods_that_are_kept_belong_to_their_request():
    kept = []

    async def application(scope, receive, send):
        kept.append((receive, send))
        await read_body(receive)
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        for content in (b"one", b"two", b"three"):
            peer.send(post(content))
            assert (await peer.answer()).status == 200
            assert len({id(receive.__self__) for receive, _ in kept}) == len(kept)
        for receive, send in kept:
            assert await receive() == {"type": "http.disconnect"}
            with pytest.raises(RuntimeError, match="after response already completed"):
                await send(body(b"late"))


async def test_a_message_that_is_kept_unread_belongs_to_its_request():
    kept = []

    async def application(scope, receive, send):
        kept.append(receive())
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        for content in (b"one", b"two"):
            peer.send(post(content))
            assert (await peer.answer()).status == 200
        for awaitable in kept:
            assert await awaitable == {"type": "http.disconnect"}


async def test_a_weak_reference_to_a_method_ends_with_its_request():
    references = []

    async def application(scope, receive, send):
        assert [reference() for reference in references] == [None] * len(references)
        references.extend((weakref.ref(receive), weakref.ref(send)))
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        for _ in range(3):
            peer.send(GET)
            assert (await peer.answer()).body == b"hello"
    assert len(references) == 6


@pytest.mark.skipif(sys.version_info < (3, 12), reason="tasks start in a later turn there")
async def test_the_engine_uses_a_request_that_is_over_again():
    requests = []

    async def application(scope, receive, send):
        requests.append(id(send.__self__))
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as one, client(served) as two:
        for peer in (one, two, one):
            peer.send(GET)
            assert (await peer.answer()).body == b"hello"
    assert len(set(requests)) == 1


@pytest.mark.parametrize(
    "before",
    [
        [(HEAD, [start(), body(b"hello")])],
        [(OLD_GET, [start(headers=[(b"content-length", b"5")]), body(b"hello")])],
        [(GET, [start(), body(b"hel", True), body(b"lo")])],
        [(TRAILERS_GET, [
            start(trailers=True),
            body(b"hello"),
            {"type": "http.response.trailers", "headers": [(b"a", b"b")]},
        ])],
        [(GET, [start(204), body()])],
        [(post(b"content"), [start(404, [(b"a", b"b" * 20000)]), body(bytes(9000))])],
        [(post(bytes(100)), [start(headers=[(b"server", b"a"), (b"date", b"b")]), body()])],
    ],
    ids=["head", "1.0", "chunked", "trailers", "204", "large head", "own server and date"],
)  # fmt: skip
async def test_nothing_of_an_answer_is_in_the_next_one(before):
    waiting = []

    async def application(scope, receive, send):
        await answering(*waiting.pop())(scope, receive, send)

    async def plain(peer):
        waiting.append([start(), body(b"hello")])
        peer.send(GET)
        answer = await peer.answer()
        return answer.status, answer.body, [name for name, _ in answer.headers]

    async with serving(application) as served, client(served) as peer:
        expected = await plain(peer)
        for request, messages in before:
            waiting.append(messages)
            peer.send(request)
            await peer.answer(to_head=request == HEAD) if request != OLD_GET else (
                await peer.reader.readuntil(b"hello")
            )
            assert await plain(peer) == expected
    assert expected[:2] == (200, b"hello")


async def test_a_body_that_was_not_read_is_not_in_the_next_request():
    seen = []

    async def application(scope, receive, send):
        if scope["method"] == "GET":
            seen.append(await receive())
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        for request in (post(b"unread"), GET):
            peer.send(request)
            assert (await peer.answer()).body == b"hello"
    assert seen == [{"type": "http.request", "body": b"", "more_body": False}]


def spoil_asgi(scope):
    scope["asgi"]["version"] = "4.0"


def spoil_extensions(scope):
    scope["extensions"]["mine"] = {}


def spoil_an_extension(scope):
    scope["extensions"]["http.response.pathsend"]["mine"] = 1


def spoil_by_replacing(scope):
    del scope["asgi"]["version"]
    scope["asgi"]["versions"] = "3.0"


@pytest.mark.parametrize(
    "spoil", [spoil_asgi, spoil_extensions, spoil_an_extension, spoil_by_replacing]
)
async def test_what_is_changed_in_a_scope_is_not_in_the_next_one(spoil):
    seen = []

    async def application(scope, receive, send):
        seen.append(repr((scope["asgi"], scope["extensions"])))
        spoil(scope)
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        for _ in range(3):
            peer.send(GET)
            assert (await peer.answer()).body == b"hello"
    assert len(seen) == 3
    assert len(set(seen)) == 1


@pytest.mark.parametrize(
    "part",
    [
        lambda scope: scope["asgi"],
        lambda scope: scope["extensions"],
        lambda scope: scope["extensions"]["http.response.early_hint"],
    ],
    ids=["asgi", "extensions", "extension"],
)
async def test_what_is_kept_of_a_scope_is_not_in_the_next_one(part):
    kept = []

    async def application(scope, receive, send):
        assert part(scope) == first[0]
        kept.append(part(scope))
        await hello(scope, receive, send)

    first = [{"version": "3.0", "spec_version": "2.3"}]
    if part({"asgi": 1, "extensions": {"http.response.early_hint": {}}}) != 1:
        first = [part({"extensions": {
            "http.response.pathsend": {}, "http.response.early_hint": {},
        }, "asgi": {}})]  # fmt: skip
    async with serving(application) as served, client(served) as peer:
        for _ in range(3):
            peer.send(GET)
            assert (await peer.answer()).body == b"hello"
    assert len({id(one) for one in kept}) == 3


class Message(UserDict):
    """A mapping that is no dict."""


@pytest.mark.parametrize("kind", [dict, Message])
async def test_keys_of_messages_need_not_be_interned(kind):
    def remade(message):
        return kind({"".join(list(key)): value for key, value in message.items()})

    async def application(scope, receive, send):
        await send(remade(start(201, [(b"a", b"b")]) | {"unknown": 1}))
        await send(remade(body(b"hel", True)))
        await send(remade(body(b"lo")))

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        answer = await peer.answer()
    assert (answer.status, answer.body, answer.header(b"a")) == (201, b"hello", b"b")


@pytest.mark.parametrize(
    "message", [{}, {"types": 1}, {"type": "http.response.start"}], ids=["empty", "other", "status"]
)
async def test_a_message_without_what_it_needs_raises_key_error(message):
    async def application(scope, receive, send):
        with pytest.raises(KeyError):
            await send(message)
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).body == b"hello"


async def test_a_nested_turn_gives_other_requests_the_context_of_their_connection():
    loop = asyncio.get_running_loop()
    seen = []

    async def application(scope, receive, send):
        if not seen:
            seen.append(None)
            VARIABLE.set("of the outer request")
            turn_until_done(loop, loop.create_task(other(), context=contextvars.Context()))
        else:
            seen.append(VARIABLE.get())
        await hello(scope, receive, send)

    async def other():
        async with client(served) as second:
            second.send(GET)
            assert (await second.answer()).body == b"hello"

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).body == b"hello"
    assert seen == [None, "default"]


async def test_the_keep_alive_time_does_not_end_a_first_step_that_turns_the_loop():
    loop = asyncio.get_running_loop()
    expired = asyncio.Event()

    async def application(scope, receive, send):
        if scope["method"] == "POST":
            turn_until_done(loop, loop.create_task(expired.wait()))
        await hello(scope, receive, send)

    async def watch(peer):
        assert await peer.is_closed()
        expired.set()

    async with (
        serving(application, timeout_keep_alive=0.2) as served,
        client(served) as peer,
        client(served) as other,
    ):
        for one in (peer, other):
            one.send(GET)
            assert (await one.answer()).body == b"hello"
        other_ends = loop.create_task(watch(other))
        peer.send(post(b"content"))
        assert (await peer.answer()).body == b"hello"
        await other_ends


async def test_a_drain_answers_requests_that_wait_behind_others():
    """They are parsed in the next turn, and their connection has no request meanwhile."""
    served_count = 0

    async def application(scope, receive, send):
        nonlocal served_count
        served_count += 1
        if served_count == 16:  # as many as one event begins
            asyncio.get_running_loop().call_soon(served.server.engine.close_idle)
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        peer.send(GET * 20)
        for _ in range(20):
            assert (await peer.answer()).body == b"hello"
    assert served_count == 20


class ChangingKey:
    """A key of a message that changes it while another key is looked up."""

    def __init__(self, message):
        self.message = message

    def __hash__(self):
        return hash("status")

    def __eq__(self, other):
        self.message.clear()
        self.others = ["-".join(["another", f"{number:05}"]) for number in range(100)]
        return False


async def test_message_that_changes_while_it_is_read():
    refused = []

    async def application(scope, receive, send):
        message = {"type": "-".join(["unknown", "kinds"])}  # nothing else refers to this str
        message[ChangingKey(message)] = None
        with pytest.raises(RuntimeError) as caught:
            await send(message)
        refused.append((str(caught.value), message))
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).body == b"hello"
    expected = "Expected ASGI message 'http.response.start', but got 'unknown-kinds'."
    assert refused == [(expected, {})]
