"""What an application learns of a request: its scope, its body, and what else it may send."""

import asyncio

import pytest

from tests.http.serving import (
    GET,
    answering,
    body,
    client,
    hello,
    plain_socket,
    post,
    read_body,
    serving,
    start,
)
from tests.support.randomness import printed_random
from tests.support.sockets import LOOPBACK
from tests.support.waiting import turns, wait_until


async def scope_of(request, *, tls=False, **options):
    """Return the scope that a request's application gets."""
    scopes = []

    async def application(scope, receive, send):
        scopes.append(scope)
        await hello(scope, receive, send)

    async with serving(application, tls=tls, **options) as served:
        async with client(served, tls=tls) as peer:
            peer.send(request)
            assert (await peer.answer()).status == 200
        scopes[0]["address"] = tuple(served.address)
    return scopes[0]


# ---- the scope


async def test_scope_of_a_plain_request():
    scope = await scope_of(b"GET /a%20b?c=%20d HTTP/1.1\r\nHost: x:1\r\nX-Some: \tthing \r\n\r\n")
    host, port = scope.pop("client")
    assert (host, type(port)) == (LOOPBACK, int)
    assert scope.pop("server") == scope.pop("address")
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=%20d",
        "root_path": "",
        "headers": [(b"host", b"x:1"), (b"x-some", b"thing")],
        "extensions": {"http.response.pathsend": {}, "http.response.early_hint": {}},
    }


async def test_scope_over_tls_has_its_scheme():
    assert (await scope_of(GET, tls=True))["scheme"] == "https"


async def test_scope_over_a_unix_socket(tmp_path):
    scopes = []

    async def application(scope, receive, send):
        scopes.append(scope)
        await hello(scope, receive, send)

    path = str(tmp_path / "socket")
    async with serving(application) as served:
        loop = asyncio.get_running_loop()
        listening = await loop.create_unix_server(served.server.protocol, path)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(GET)
        await reader.readuntil(b"hello")
        writer.close()
        listening.close()
    assert scopes[0]["server"] == (path, None)
    assert scopes[0]["client"] is None


@pytest.mark.parametrize(
    ("root_path", "target", "path"),
    [
        ("/app", b"/x", "/app/x"),
        ("/app/", b"/x", "/app/x"),
        ("/app", b"/app/x", "/app/x"),
        ("/app", b"/app", "/app"),
        ("/app", b"/apple", "/app/apple"),
        ("/", b"/x", "/x"),
        ("", b"/x", "/x"),
    ],
)
async def test_root_path_stands_in_front_of_the_path_once(root_path, target, path):
    scope = await scope_of(GET.replace(b"/", target, 1), root_path=root_path)
    assert scope["path"] == path
    assert scope["root_path"] == root_path.rstrip("/")
    assert scope["raw_path"] == target


async def test_what_one_application_changes_in_its_scope_no_other_sees():
    scopes = []

    async def application(scope, receive, send):
        scopes.append({key: repr(value) for key, value in scope.items()})
        for value in scope.values():
            if isinstance(value, dict):
                value["changed"] = True
            elif isinstance(value, list):
                value.append("changed")
        for value in scope["extensions"].values():
            if isinstance(value, dict):
                value["changed"] = True
        scope.clear()
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        for _ in range(2):
            peer.send(GET)
            await peer.answer()
    assert scopes[0] == scopes[1]


# ---- the body


async def echo(scope, receive, send):
    content = await read_body(receive)
    await send(start(headers=[(b"content-length", b"%d" % len(content))]))
    await send(body(content))


async def test_many_large_bodies_over_one_connection():
    content = bytes(range(256)) * 4096
    async with serving(echo) as served, client(served) as peer:
        for i in range(20):
            data = post(content)
            cut = i * 997 % len(data)
            peer.send(data[:cut])
            await turns(i % 3)
            peer.send(data[cut:])
            answer = await peer.answer()
            assert answer.status == 200
            assert answer.body == content


async def test_first_receive_returns_what_is_here():
    first = asyncio.get_running_loop().create_future()

    async def application(scope, receive, send):
        first.set_result(await receive())
        rest = await read_body(receive)
        await send(start())
        await send(body(rest))

    async with serving(application) as served, client(served) as peer:
        peer.send(post(b"hello")[:-3])
        await wait_until(first.done)
        assert first.result() == {"type": "http.request", "body": b"he", "more_body": True}
        peer.send(b"llo")
        assert (await peer.answer()).body == b"llo"


async def test_a_request_without_a_body_has_one_empty_message():
    messages = []

    async def application(scope, receive, send):
        messages.append(await receive())
        await hello(scope, receive, send)
        messages.append(await receive())

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        await peer.answer()
        await wait_until(lambda: len(messages) == 2)
    assert messages == [
        {"type": "http.request", "body": b"", "more_body": False},
        {"type": "http.disconnect"},
    ]


async def test_a_pipelined_request_is_no_data_of_the_one_before():
    messages = []

    async def application(scope, receive, send):
        messages.append(await receive())
        waiting = asyncio.ensure_future(receive())
        await turns(5)
        assert not waiting.done()
        await hello(scope, receive, send)
        messages.append(await waiting)

    async with serving(application) as served, client(served) as peer:
        peer.send(post(b"one", post(b"two")))
        assert (await peer.answer()).body == b"hello"
        assert (await peer.answer()).body == b"hello"
    kinds = [(message["type"], message.get("body")) for message in messages]
    assert kinds.count(("http.request", b"one")) == kinds.count(("http.request", b"two")) == 1
    assert kinds.count(("http.disconnect", None)) == 2


async def test_continue_is_sent_with_the_first_receive():
    receives = asyncio.Event()

    async def application(scope, receive, send):
        await receives.wait()
        await echo(scope, receive, send)

    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    async with serving(application) as served, client(served) as peer:
        peer.send(head)
        await turns(10)
        assert not peer.reader._buffer
        receives.set()
        assert (await peer.answer()).status == 100
        peer.send(b"hello")
        assert (await peer.answer()).body == b"hello"
        peer.send(GET)
        assert (await peer.answer()).status == 200


async def test_continue_is_not_sent_to_http_1_0():
    head = b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    async with serving(echo) as served, client(served) as peer:
        peer.send(head)
        await wait_until(lambda: served.server.engine.tasks)
        peer.send(b"hello")
        assert (await peer.answer()).status == 200


async def test_trailer_fields_are_not_among_the_headers():
    async def application(scope, receive, send):
        assert await read_body(receive) == b"hello"
        await send(start())
        await send(body(b" ".join(name for name, _ in scope["headers"])))

    chunks = b"5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"
    async with serving(application) as served, client(served) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
        assert (await peer.answer()).body == b"host transfer-encoding"


async def test_an_answer_without_reading_the_expected_body_closes():
    head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    async with serving(hello) as served, client(served) as peer:
        peer.send(head)
        answer = await peer.answer()
        assert (answer.status, answer.header(b"connection")) == (200, b"close")
        assert await peer.is_closed()


async def test_a_body_that_is_not_read_is_dropped_and_the_connection_goes_on():
    content = bytes(300_000)
    async with serving(hello) as served, client(served) as peer:
        data = post(content)
        peer.send(data[:1000])
        assert (await peer.answer()).body == b"hello"
        peer.send(data[1000:] + GET)
        assert (await peer.answer()).body == b"hello"


async def test_an_upload_to_an_application_that_sleeps_is_not_taken():
    wake = asyncio.Event()
    sizes = []

    async def application(scope, receive, send):
        await wake.wait()
        while True:
            message = await receive()
            sizes.append(len(message["body"]))
            if not message["more_body"]:
                break
        await hello(scope, receive, send)

    size = 64 << 20
    async with serving(application) as served, client(served) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        chunk = bytes(1 << 20)
        for _ in range(64):
            peer.send(chunk)
        await asyncio.sleep(0.2)
        wake.set()
        assert (await peer.answer()).body == b"hello"
    assert sum(sizes) == size
    assert sizes[0] <= 1 << 20


# ---- extensions


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [0, 5, 3_000_000])
async def test_pathsend_sends_a_file(tmp_path, size, tls):
    content = bytes(i % 253 for i in range(1000)) * (size // 1000) or b"hello"[:size]
    (tmp_path / "file").write_bytes(content)
    message = {"type": "http.response.pathsend", "path": str(tmp_path / "file")}
    async with (
        serving(answering(start(), message), tls=tls) as served,
        client(served, tls=tls) as peer,
    ):
        for _ in range(2):
            peer.send(GET)
            assert (await peer.answer()).body == content
        peer.send(GET.replace(b"GET", b"HEAD"))
        answer = await peer.answer(to_head=True)
        assert answer.header(b"content-length") == b"%d" % len(content)


async def test_pathsend_of_a_missing_file_is_answered_with_500(tmp_path, caplog):
    message = {"type": "http.response.pathsend", "path": str(tmp_path / "missing")}
    async with serving(answering(start(), message)) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).status == 500
    assert "FileNotFoundError" in caplog.text


async def test_trailers_follow_a_chunked_body_if_the_client_takes_them():
    message = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
    application = answering(start(trailers=True), body(b"hello"), message)
    async with serving(application) as served, client(served) as peer:
        peer.send(GET.replace(b"Host", b"TE: trailers\r\nHost"))
        answer = await peer.answer()
        assert (answer.body, answer.trailers) == (b"hello", [(b"x-sum", b"1")])
        peer.send(GET)
        answer = await peer.answer()
        assert (answer.body, answer.trailers) == (b"hello", [])


async def test_early_hints_come_before_the_answer_but_not_in_http_1_0():
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
    async with serving(answering(hint, start(), body(b"hello"))) as served:
        async with client(served) as peer:
            peer.send(GET)
            answer = await peer.answer()
            assert answer.status == 103
            assert answer.headers == [(b"link", b"</a.css>; rel=preload")]
            assert (await peer.answer()).body == b"hello"
        async with client(served) as peer:
            peer.send(GET.replace(b"1.1", b"1.0"))
            assert (await peer.answer()).status == 200


async def test_many_large_bodies_over_one_connection_arrive_in_whatever_pieces():
    random = printed_random()
    loop = asyncio.get_running_loop()
    content = random.randbytes(1 << 20)
    request = post(content)

    async def application(scope, receive, send):
        if random.random() < 0.1:
            await asyncio.sleep(0.001)
        arrived = await read_body(receive)
        await send(start())
        await send(body(b"same" if arrived == content else b"different"))

    async with serving(application) as served:
        with plain_socket(served) as sock:
            for _ in range(200):
                view = memoryview(request)
                while view:
                    size = random.choice([1, 100, 65_535, 65_536, 300_000])
                    await loop.sock_sendall(sock, view[:size])
                    view = view[size:]
                    if random.random() < 0.3:
                        await asyncio.sleep(0)
                assert (await loop.sock_recv(sock, 1000)).endswith(b"same")
