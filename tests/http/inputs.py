"""Input: what a client sends on one connection, and what a server must answer, as data.

The tables of inputs are input_lines, input_fields, input_lengths, input_chunks and
input_connections. They serve the tests of the parsers and those of the server: what only a server
can show stands in `server`, and the parsers' tests read the rest. The application of the tests
answers 200 to every request, after it has read the whole body.

Where an answer goes beyond the RFCs (9110, 9112), or makes use of a choice that they leave, it is
the strictest that breaks no lawful client: proxies in front of us may read the same bytes
differently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HOST = b"Host: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
# A second request: whether it is answered shows where the first was thought to end.
NEXT = b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n"


@dataclass(frozen=True)
class Input:
    """What is sent, and what must come back."""

    name: str
    data: bytes
    # The status of each answer, in order.
    answers: tuple[int, ...]
    # Whether the server closes the connection after the last answer.
    closes: bool
    # Why the last request is refused: a text of ngxloop.http.refusals.
    reason: str = ""
    # What of the first head must have been understood; keys as of the probe httpparser.
    head: Mapping[str, Any] = field(default_factory=dict)
    # The first request's body.
    body: bytes = b""
    # Limits and options other than the defaults; names as of HeadLimits.
    limits: Mapping[str, int] = field(default_factory=dict)
    # What a server must show beyond that: key and meaning stand in SERVER_FACTS.
    server: Mapping[str, Any] = field(default_factory=dict)


SERVER_FACTS = {
    "path": "str, scope's path of the first request",
    "raw_path": "bytes, scope's raw_path of the first request",
    "query_string": "bytes, scope's query_string of the first request",
    "host": "bytes, the value of `host` in scope's headers; there is one, as the first",
    "method": "str, scope's method of the first request",
    "http_version": "str, scope's http_version of the first request",
    "headers": "list, headers of the first request that scope must have",
    "lacks_headers": "list, names that scope's headers must not have",
    "interim": "100 comes before the first answer if its body is not here at the first receive()",
    "answer_headers": "dict, headers that the first answer must have",
    "answer_lacks": "list, header names that the first answer must not have",
    "answer_body": "bytes, the first answer's body if the application sends b'hello'",
    "lingers": "the connection is closed only after what the client still sends was read",
    "log": "str, a line of the log must contain it",
}


def get(
    lines: bytes = b"", *, first: bytes = b"GET / HTTP/1.1", host: bytes = HOST, then: bytes = b""
) -> bytes:
    """Return a request without a body."""
    return first + b"\r\n" + host + lines + b"\r\n" + then


def post(lines: bytes, body: bytes = b"", *, then: bytes = NEXT) -> bytes:
    """Return a request with a body, and a second request behind it."""
    return b"POST / HTTP/1.1\r\n" + HOST + lines + b"\r\n" + body + then


def chunked(body: bytes, *, then: bytes = NEXT) -> bytes:
    """Return a request with a body in chunks, and a second request behind it."""
    return post(CHUNKED, body, then=then)


def accepted(name: str, data: bytes, *, answers: int = 1, **more: Any) -> Input:
    """Return an input that is answered with 200, each request, after which it may go on."""
    return Input(name, data, (200,) * answers, closes=False, **more)


def last(name: str, data: bytes, *, answers: int = 1, **more: Any) -> Input:
    """Return an input that is answered with 200, each request, and after which all is over."""
    return Input(name, data, (200,) * answers, closes=True, **more)


def refused(name: str, data: bytes, status: int, reason: str, **more: Any) -> Input:
    """Return an input of which the first request is refused: nothing behind it is answered."""
    return Input(name, data, (status,), closes=True, reason=reason, **more)
