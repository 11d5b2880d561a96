"""Inputs: how long a connection lives, expectations and upgrades."""

from tests.http.inputs import CHUNKED, NEXT, Input, accepted, get, last, post, refused

OLD = b"GET / HTTP/1.0"
EXPECT = b"Expect: 100-continue\r\nContent-Length: 5\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def connection(value: bytes, first: bytes = b"GET / HTTP/1.1") -> bytes:
    return get(b"Connection: " + value + b"\r\n", first=first, then=NEXT)


PERSISTENCE = [
    last(
        "close, then another request",
        connection(b"close"),
        server={"answer_headers": {b"connection": b"close"}, "lingers": True},
    ),
    last("close among other options", connection(b"x, Close")),
    last("close after empty options", connection(b" ,, close ,")),
    last("close in a second line", get(b"Connection: x\r\nConnection: close\r\n", then=NEXT)),
    last("close and keep-alive", connection(b"keep-alive, close")),
    accepted("keep-alive in 1.1", connection(b"keep-alive"), answers=2),
    accepted("closed is not close", connection(b"closed"), answers=2),
    accepted("close in quotes is not close", connection(b'"close"'), answers=2),
    accepted("empty Connection", connection(b""), answers=2),
    last(
        "1.0",
        get(first=OLD, then=NEXT),
        head={"version": "1.0"},
        server={"http_version": "1.0", "answer_headers": {b"connection": b"close"}},
    ),
    accepted(
        "keep-alive in 1.0",
        connection(b"Keep-Alive", OLD),
        answers=2,
        server={
            "answer_headers": {b"connection": b"keep-alive"},
            "answer_lacks": [b"transfer-encoding"],
        },
    ),
    last("keep-alive and close in 1.0", connection(b"keep-alive, close", OLD)),
    last("close after a body", post(b"Connection: close\r\n" + CHUNKED, HELLO), body=b"hello"),
]

EXPECTATIONS = [
    accepted(
        "Expect: 100-continue",
        post(EXPECT, b"hello"),
        answers=2,
        body=b"hello",
        head={"expects_continue": True},
        server={"interim": True},
    ),
    accepted(
        "100-continue in another case",
        post(b"Expect: 100-Continue\r\nContent-Length: 5\r\n", b"hello"),
        answers=2,
        body=b"hello",
        head={"expects_continue": True},
        server={"interim": True},
    ),
    accepted("empty Expect", post(b"Expect:\r\n"), answers=2, head={"expects_continue": False}),
    last(
        "Expect in 1.0",
        b"POST / HTTP/1.0\r\n" + EXPECT + b"\r\nhello",
        body=b"hello",
        head={"expects_continue": False},
        server={"interim": False},
    ),
    last("other Expect in 1.0", get(b"Expect: tea\r\n", first=OLD)),
    refused(
        "other Expect",
        post(b"Expect: tea\r\nContent-Length: 5\r\n", b"hello"),
        417,
        "unknown expectation in Expect",
    ),
    refused(
        "100-continue and another expectation",
        post(b"Expect: 100-continue, tea\r\n"),
        417,
        "unknown expectation in Expect",
    ),
]

UPGRADES = [
    accepted(
        "Upgrade to h2c",
        get(
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n",
            then=NEXT,
        ),
        answers=2,
        head={"wants_upgrade": True, "wants_websocket": False},
    ),
    accepted(
        "Upgrade to an unknown protocol",
        get(b"Connection: Upgrade\r\nUpgrade: foo\r\n", then=NEXT),
        answers=2,
        head={"wants_upgrade": True, "wants_websocket": False},
    ),
    accepted(
        "Upgrade without the option of Connection",
        get(b"Upgrade: websocket\r\n", then=NEXT),
        answers=2,
        head={"wants_upgrade": False, "wants_websocket": False},
    ),
    accepted(
        "the option of Connection without Upgrade",
        get(b"Connection: upgrade\r\n", then=NEXT),
        answers=2,
        head={"wants_upgrade": False},
    ),
    accepted(
        "Upgrade with a body",
        post(b"Connection: upgrade\r\nUpgrade: foo\r\nContent-Length: 5\r\n", b"hello"),
        answers=2,
        body=b"hello",
    ),
    accepted(
        "Upgrade to WebSocket in 1.0",
        get(b"Connection: upgrade, keep-alive\r\nUpgrade: websocket\r\n", first=OLD, then=NEXT),
        answers=2,
        head={"wants_upgrade": False, "wants_websocket": False},
    ),
]

TRAILERS = [
    accepted(
        "TE: trailers", get(b"TE: Trailers, deflate;q=0.5\r\n"), head={"takes_trailers": True}
    ),
    accepted("TE without trailers", get(b"TE: deflate\r\n"), head={"takes_trailers": False}),
    last("TE in 1.0", get(b"TE: trailers\r\n", first=OLD), head={"takes_trailers": False}),
]

INPUTS: list[Input] = PERSISTENCE + EXPECTATIONS + UPGRADES + TRAILERS
