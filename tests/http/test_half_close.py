"""A client that ends its half: what is answered still, and that no connection waits for it."""

import asyncio
import logging
import socket

import pytest

from ngxloop.http import ClientDisconnected
from tests.http.serving import (
    GET,
    Served,
    body,
    client,
    hello,
    plain_socket,
    serving,
    start,
)
from tests.support.sockets import receive_until_eof
from tests.support.waiting import turns, wait_until

# Nothing ends because its time is over.
LONG = dict.fromkeys(
    (
        "client_header_timeout",
        "client_body_timeout",
        "send_timeout",
        "timeout_keep_alive",
        "lingering_time",
        "lingering_timeout",
    ),
    100_000.0,
)
LARGE = bytes(24_000_000)  # more than the kernel's buffers of both ends may grow to
PART = b"GET / HTTP/1.1\r\nHo"
POST = b"POST /%b HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegun"
CLOSE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def get(path: str) -> bytes:
    return b"GET /%b HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode()


class Application:
    """Answers as the path says: at once, when it is told to, or with much."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        path = scope["path"]
        if path == "/held":
            await self.release.wait()
        elif path == "/read":
            while (await receive()).get("more_body"):
                pass
        elif path == "/begun":
            await send(start())
            await send(body(b"begun", True))
            await self.release.wait()
            await send(body())
            return
        elif path == "/large":
            await send(start())
            await send(body(LARGE))
            return
        await hello(scope, receive, send)


# name: the state when the client ends its half, what it has sent, how many answers it gets
CASES = {
    "waiting": ("waiting", b"", 0),
    "waiting, empty line": ("waiting", b"\r\n", 0),
    "head": ("head", PART, 0),
    "idle": ("idle", GET, 1),
    "idle, empty line": ("idle", GET + b"\r\n", 1),
    "head behind an answer": ("head", GET + PART, 1),
    "many requests and a part of a head": ("head", GET * 40 + PART, 40),
    "handling": ("handling", get("held"), 1),
    "handling, a part of a head": ("handling", get("held") + PART, 1),
    "handling, an empty line": ("handling", get("held") + b"\r\n", 1),
    "handling, a request": ("handling", get("held") + GET, 2),
    "handling, a request and a part of a head": ("handling", get("held") + GET + PART, 2),
    "handling, a request and a part of its body": ("handling", get("held") + POST % b"", 2),
    "handling, a request that reads its body": ("handling", get("held") + POST % b"read", 2),
    "handling, the last request": ("handling", get("held") + CLOSE + GET, 2),
    "streaming": ("handling", get("begun"), 1),
    "streaming, a part of a head": ("handling", get("begun") + PART, 1),
    "body": ("handling", POST % b"read", 1),
    "body, not read": ("handling", POST % b"held", 1),
    "body, as much as is kept": ("handling", POST % b"held" + bytes(90_000), 1),
    "sending": ("sending", get("large"), 1),
    "sending, a part of a head": ("sending", get("large") + PART, 1),
    "sending, a request": ("sending", get("large") + GET, 2),
    "discarding": ("discarding", POST % b"", 1),
    "lingering after a refusal": ("lingering", b"GET \x01", 1),
    "lingering after a last answer": ("lingering", CLOSE + GET, 1),
}


def states(served: Served) -> list[str]:
    return [connection.state_name for connection in served.server.engine.connections]


@pytest.mark.parametrize(("state", "sent", "answers"), CASES.values(), ids=CASES)
async def test_a_connection_ends_when_nothing_more_can_come(state, sent, answers):
    application = Application()
    async with serving(application, **LONG) as served:
        with plain_socket(served) as sock:
            await asyncio.get_running_loop().sock_sendall(sock, sent)
            await wait_until(lambda: states(served) == [state], f"state {state}")
            sock.shutdown(socket.SHUT_WR)
            await turns(3)
            application.release.set()
            received = await receive_until_eof(sock)
            await wait_until(lambda: not served.server.engine.connections, "the end")
    assert received.count(b"HTTP/1.1 ") == answers


@pytest.mark.parametrize("sent", [GET, GET * 2, GET + PART, GET * 40], ids=len)
async def test_a_request_and_the_end_that_come_together(sent):
    async with serving(hello, **LONG) as served:
        with plain_socket(served) as sock:
            sock.send(sent)
            sock.shutdown(socket.SHUT_WR)
            received = await receive_until_eof(sock)
            await wait_until(lambda: not served.server.engine.connections, "the end")
    assert received.count(b"HTTP/1.1 200 ") == sent.count(GET)


# ---- TLS, where our half ends with the client's

ENDS = pytest.mark.parametrize("end", ["notify", "stream"])


def end_half(peer, end) -> None:
    """Say that nothing more comes: by a close_notify, or by the end of the stream below."""
    if end == "notify":
        peer.writer.close()
    else:
        peer.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("end", "behind"),
    [("notify", b""), ("stream", b""), ("stream", PART), ("stream", GET)],
    ids=["notify", "stream", "stream behind a part of a head", "stream behind a request"],
)
async def test_over_tls_the_application_hears_that_its_client_is_gone(end, behind, caplog):
    """A close_notify behind what waits is not read before that: the stream's end follows it."""
    heard = []
    begun = asyncio.Event()

    async def application(scope, receive, send):
        await receive()
        await send(start())
        await send(body(b"begun", True))
        begun.set()
        heard.append((await receive())["type"])
        try:
            await send(body(b"more", True))
        except OSError as exc:
            heard.append(type(exc))
            raise

    async with serving(application, tls=True, **LONG) as served, client(served, tls=True) as peer:
        peer.send(GET)
        await begun.wait()
        peer.send(behind)
        await turns(5)
        end_half(peer, end)
        await wait_until(lambda: not served.server.engine.connections, "the end")
        await wait_until(lambda: not served.server.engine.tasks)
    assert heard == ["http.disconnect", ClientDisconnected]
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


@ENDS
async def test_over_tls_an_answer_without_end_ends_behind_a_request_that_waits(end):
    """Reading is paused, and what is written is dropped by TLS: nothing else would tell."""
    raised = []

    async def application(scope, receive, send):
        await send(start())
        try:
            while True:
                await send(body(b"event", True))
                await asyncio.sleep(0.001)
        except OSError as exc:
            raised.append(type(exc))

    async with serving(application, tls=True, **LONG) as served, client(served, tls=True) as peer:
        peer.send(GET + PART)
        await peer.reader.readuntil(b"event")
        end_half(peer, end)
        if end == "notify":
            peer.writer.transport.abort()
        await wait_until(lambda: raised, "send() to raise")
        await wait_until(lambda: not served.server.engine.connections, "the end")
    assert raised == [ClientDisconnected]


@ENDS
async def test_over_tls_requests_that_are_not_begun_are_not_answered_to_nobody(end, caplog):
    async with serving(hello, tls=True, **LONG) as served, client(served, tls=True) as peer:
        peer.send(GET * 40)
        end_half(peer, end)
        await wait_until(lambda: not served.server.engine.connections, "the end")
        await wait_until(lambda: not served.server.engine.tasks)
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_over_tls_an_answer_that_waits_for_the_client_is_sent_to_its_end():
    application = Application()
    async with serving(application, tls=True, **LONG) as served, client(served, tls=True) as peer:
        peer.send(get("large"))
        await wait_until(lambda: states(served) == ["sending"])
        end_half(peer, "stream")
        await wait_until(lambda: states(served) != ["sending"])
        assert (await peer.rest()).endswith(b"\r\n\r\n" + LARGE)
