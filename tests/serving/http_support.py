"""Requests of one connection, for tests that look at answers in detail."""

import json
import socket
from typing import Any, NamedTuple

from tests.serving.support import Server, connect, http_get

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
STATUS = ("--status-bind", "127.0.0.1:0")


class Answer(NamedTuple):
    """One answer with a Content-Length, or up to the end of the connection."""

    status: int
    fields: dict[str, str]  # by the name in lower case
    body: bytes


def get(target: str, *fields: str) -> bytes:
    """Return a request."""
    lines = [f"GET {target} HTTP/1.1", "Host: test", *fields, "", ""]
    return "\r\n".join(lines).encode()


def post(target: str, size: int) -> bytes:
    """Return the head of a request with a body."""
    return f"POST {target} HTTP/1.1\r\nHost: test\r\nContent-Length: {size}\r\n\r\n".encode()


def ask(sock: socket.socket, request: bytes = GET) -> Answer:
    """Send a request and return its answer."""
    sock.sendall(request)
    return receive_answer(sock)


def ask_once(server: Server, request: bytes = GET) -> Answer:
    """Do the same on a connection of its own."""
    with connect(server.address) as sock:
        return ask(sock, request)


def receive_answer(sock: socket.socket) -> Answer:
    """Receive one answer and nothing behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = sock.recv(1)
        assert data, f"no answer: {head!r}"
        head += data
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    fields = dict(line.split(": ", 1) for line in lines)
    fields = {name.lower(): value for name, value in fields.items()}
    body = b""
    while len(body) < int(fields.get("content-length", "0")):
        data = sock.recv(65536)
        assert data, "half an answer"
        body += data
    return Answer(int(first.split()[1]), fields, body)


def is_closed(sock: socket.socket) -> bool:
    """Wait for the end of the connection; return whether nothing comes before it."""
    return sock.recv(1) == b""


def report_of(server: Server) -> dict[str, Any]:
    """Return the status as JSON."""
    told: dict[str, Any] = json.loads(status_page(server, "/status.json"))
    return told


def status_page(server: Server, path: str) -> str:
    """Return a page of the status."""
    host, _, port = server.status_address.rpartition(":")
    code, body = http_get((host, int(port)), path)
    assert code == 200
    return body.decode()
