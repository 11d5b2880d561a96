"""What three parsers make of the bytes of one connection: ngxloop's, h11's and httptools'.

An Outcome is the requests that were complete, and how it ended. Names of fields are in lower case,
versions are "1.0" or "1.1", and a body is joined.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import h11
import httptools

from ngxloop.http.refusals import REASONS
from tests.probes.httpparser import HttpParser

# h11 limits a head to 16 KiB unless it is told otherwise.
H11_HEAD_BYTES_MAX = 1 << 20
# As in ngxloop/http/limits.pxd.
EMPTY_LINE_COUNT_MAX = 2


class Request(NamedTuple):
    """A request as an application would see it."""

    method: bytes
    target: bytes
    version: str
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Outcome(NamedTuple):
    """The complete requests, and how it ended.

    end is "refused", with the reason in words; "closed" after a request that ends the connection;
    "upgrade" if the parser reads no further, without the request that it stops at; else "open".
    """

    requests: tuple[Request, ...]
    end: str
    reason: str = ""


def ngxloop_outcome(pieces: Iterable[bytes], **limits: int) -> Outcome:
    """Return what the parsers of ngxloop find in pieces."""
    parser = HttpParser(**limits)
    for piece in pieces:
        parser.feed(piece)
    requests: list[Request] = []
    head: dict[str, Any] = {}
    body = b""
    for event in parser.events:
        if event[0] == "head":
            head, body = event[1], b""
        elif event[0] == "data":
            body += event[1]
        elif event[0] == "end":
            requests.append(
                Request(
                    head["method"],
                    head["target"],
                    head["version"],
                    tuple((name.lower(), value) for name, value in head["fields"]),
                    body,
                )
            )
        else:
            return Outcome(tuple(requests), "refused", REASONS[event[1]])
    return Outcome(tuple(requests), "closed" if parser.closed else "open")


def without_empty_lines(data: bytes) -> bytes:
    """Return what follows the empty lines that may precede a request; h11 refuses them."""
    for _ in range(EMPTY_LINE_COUNT_MAX):
        data = data.removeprefix(b"\r\n")
    return b"" if data == b"\r" else data


def h11_outcome(data: bytes) -> Outcome:
    """Return what h11 finds, with a connection of its own for each request."""
    requests: list[Request] = []
    try:
        while data := without_empty_lines(data):
            connection = h11.Connection(h11.SERVER, max_incomplete_event_size=H11_HEAD_BYTES_MAX)
            connection.receive_data(data)
            request = h11_read(connection)
            if request is None:
                break
            requests.append(request)
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            if connection.our_state is h11.SWITCHED_PROTOCOL:
                return Outcome(tuple(requests[:-1]), "upgrade")
            connection.send(h11.EndOfMessage())
            if connection.our_state is h11.MUST_CLOSE:
                return Outcome(tuple(requests), "closed")
            data = connection.trailing_data[0]
    except h11.RemoteProtocolError as error:
        return Outcome(tuple(requests), "refused", str(error))
    return Outcome(tuple(requests), "open")


def h11_read(connection: h11.Connection) -> Request | None:
    """Return the next request, None if it is not complete."""
    body = b""
    head = connection.next_event()
    if not isinstance(head, h11.Request):
        return None
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if not isinstance(event, h11.Data):
            return None
        body += bytes(event.data)
    return h11_request(head, body)


def h11_request(head: h11.Request, body: bytes) -> Request:
    fields = tuple((name, value) for name, value in head.headers)
    return Request(head.method, head.target, head.http_version.decode(), fields, body)


class Callbacks:
    """What httptools calls."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.parser = httptools.HttpRequestParser(self)
        self.keeps_alive = True
        self.on_message_begin()

    def on_message_begin(self) -> None:
        self.target = b""
        self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []

    def on_url(self, piece: bytes) -> None:
        self.target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.keeps_alive = self.parser.should_keep_alive()

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        self.requests.append(
            Request(
                self.parser.get_method(),
                self.target,
                self.parser.get_http_version(),
                tuple(self.fields),
                self.body,
            )
        )


def httptools_outcome(data: bytes) -> Outcome:
    """Return what httptools, that is llhttp, finds."""
    callbacks = Callbacks()
    end, reason = "open", ""
    try:
        callbacks.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        end = "upgrade"
    except httptools.HttpParserError as error:
        end, reason = "refused", str(error)
    requests = callbacks.requests[:-1] if end == "upgrade" else callbacks.requests
    if "Connection: close" in reason or (end == "open" and requests and not callbacks.keeps_alive):
        end, reason = "closed", ""
    return Outcome(tuple(requests), end, reason)
