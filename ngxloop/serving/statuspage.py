"""The status over HTTP, answered by the master itself: for load balancers and Prometheus.

HTTP/1.0, GET, one request a connection; sessions.py bounds them. A successor takes the socket over.
While two masters run one of them answers, see succession.py.
"""

import json
import socket

from ngxloop.serving.binds import parse_bind
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.inheritance import STATUS, Heirloom
from ngxloop.serving.listeners import Listeners, describe_address
from ngxloop.serving.opening import open_listeners
from ngxloop.serving.poller import Poller
from ngxloop.serving.reports import prometheus, stub
from ngxloop.serving.sessions import BACKLOG, QUESTION_BYTES, Dialogue, Sessions
from ngxloop.serving.status import Status

_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
}


class StatusPage:
    """The listening socket and what it answers.

    Raises:
        StartError: It cannot be opened.
    """

    def __init__(self, address: str, poller: Poller, status: Status, known: Listeners) -> None:
        self._status = status
        bind = parse_bind(address)
        self.listeners: Listeners = open_listeners([bind], BACKLOG, 0o666, known=known)
        dialogue = Dialogue(
            HandlerName.STATUS_LISTENER,
            HandlerName.STATUS_SESSION,
            end=b"\r\n\r\n",
            answer=self._answer,
            too_long=_page(431, _TEXT, f"a request has at most {QUESTION_BYTES} bytes\n"),
        )
        self._sessions: list[Sessions] = []
        try:
            for sock in self.sockets:
                self._sessions.append(Sessions(poller, sock, dialogue))
        except BaseException:
            self.close(leave_files=bool(known.opened))
            raise

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
        """Answer a request; only its first line matters, and is taken apart in linear time."""
        method, path = _parse(question.partition(b"\r\n")[0])
        if not path:
            return _page(400, _TEXT, "not HTTP\n")
        if method not in (b"GET", b"HEAD"):
            return _page(405, _TEXT, "only GET\n")
        code, kind, text = self._find(path)
        return _page(code, kind, text, is_head=method == b"HEAD")

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


def _parse(line: bytes) -> tuple[bytes, str]:
    """Return method and path of a request line, without the query; no path if it is not one."""
    method, _, rest = line.partition(b" ")
    target, _, version = rest.partition(b" ")
    if version not in (b"HTTP/1.0", b"HTTP/1.1"):
        return b"", ""
    text = target.partition(b"?")[0].decode("latin-1")
    is_path = text.startswith("/") and text.isascii() and text.isprintable()
    is_method = method.isalpha() and method.isupper()
    return (method, text) if is_method and is_path else (b"", "")


def _page(code: int, kind: str, text: str, is_head: bool = False) -> bytes:
    body = text.encode()
    reason = _REASONS.get(code, "Service Unavailable")
    head = (
        f"HTTP/1.0 {code} {reason}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (b"" if is_head else body)
