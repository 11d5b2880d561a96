"""The status over HTTP, answered by the master itself: for load balancers and Prometheus.

HTTP/1.0, GET, one request a connection; sessions.py bounds them. A successor takes the socket over,
and answers alone while two masters run.
"""

import json
import re
import socket

from ngxloop.serving.binds import parse_bind
from ngxloop.serving.inheritance import STATUS, Heirloom
from ngxloop.serving.listeners import Listeners, describe_address
from ngxloop.serving.opening import open_listeners
from ngxloop.serving.poller import Poller
from ngxloop.serving.reports import prometheus, stub
from ngxloop.serving.sessions import SESSION_COUNT, Sessions
from ngxloop.serving.status import Status

_REQUEST = re.compile(rb"(?P<method>[A-Z]+) (?P<path>/[!->@-~]*)\S* HTTP/1\.[01]\r\n")
_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed"}


class StatusPage:
    """The listening socket and what it answers.

    Raises:
        StartError: It cannot be opened.
    """

    def __init__(self, address: str, poller: Poller, status: Status, known: Listeners) -> None:
        self._status = status
        bind = parse_bind(address)
        self.listeners: Listeners = open_listeners([bind], SESSION_COUNT, 0o666, known=known)
        self._sessions = [
            Sessions(poller, sock, b"\r\n\r\n", self._answer) for sock in self.sockets
        ]

    @property
    def sockets(self) -> list[socket.socket]:
        """Return the sockets: a host name can have several addresses."""
        return list(self.listeners.sockets)

    def describe(self) -> list[str]:
        """Return the addresses."""
        return [describe_address(sock) for sock in self.sockets]

    def leave(self) -> list[Heirloom]:
        """Return what a successor needs."""
        return [Heirloom(STATUS, one.key, one.sock.fileno()) for one in self.listeners.opened]

    def give_way(self) -> None:
        """Let the successor answer."""
        for sessions in self._sessions:
            sessions.pause()

    def take_back(self) -> None:
        """Answer again."""
        for sessions in self._sessions:
            sessions.resume()

    def close(self, leave_files: bool = False) -> None:
        """Stop answering."""
        for sessions in self._sessions:
            sessions.close()
        self.listeners.close(leave_files=leave_files)

    def close_in_worker(self) -> None:
        """Close a worker's copies."""
        for sessions in self._sessions:
            sessions.close_in_worker()
        self.listeners.close()

    def _answer(self, question: bytes) -> bytes:
        found = _REQUEST.match(question)
        if found is None:
            return _page(400, _TEXT, "not HTTP\n")
        if found["method"] not in (b"GET", b"HEAD"):
            return _page(405, _TEXT, "only GET\n")
        code, kind, text = self._find(found["path"].decode())
        return _page(code, kind, text, is_head=found["method"] == b"HEAD")

    def _find(self, path: str) -> tuple[int, str, str]:
        status = self._status
        match path:
            case "/":
                return 200, _TEXT, stub(status.snapshot())
            case "/status.json":
                return 200, "application/json", json.dumps(status.snapshot()) + "\n"
            case "/metrics":
                return 200, _METRICS, prometheus(status.snapshot())
            case "/healthz":
                return 200, _TEXT, "ok\n"
            case "/readyz":
                return (200, _TEXT, "ready\n") if status.is_ready else (503, _TEXT, "not ready\n")
            case _:
                return 404, _TEXT, "there are /, /status.json, /metrics, /healthz, /readyz\n"


def _page(code: int, kind: str, text: str, is_head: bool = False) -> bytes:
    body = text.encode()
    reason = _REASONS.get(code, "Service Unavailable")
    head = (
        f"HTTP/1.0 {code} {reason}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if is_head else body)
