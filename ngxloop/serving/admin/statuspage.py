"""The status over HTTP: what a request is answered; for load balancers and Prometheus.

HTTP/1.0, GET, one request a connection; requestserver.py bounds them. A master that has not
reported for STALE_SECONDS is stuck: /healthz and /readyz are 503 then, and the others say so. While
two masters run one of them answers, see handover.py.
"""

import json
from collections.abc import Callable
from typing import Any

from ngxloop.serving.admin.reports import prometheus, stub
from ngxloop.serving.admin.requestserver import REQUEST_BYTES, RequestProtocol
from ngxloop.serving.base.handlernames import HandlerName

STALE_SECONDS = 3.0  # a master reports every second; it forks and loads between two turns
_TEXT = "text/plain; charset=utf-8"
_METRICS = "text/plain; version=0.0.4; charset=utf-8"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
}
_PATHS = frozenset({"/", "/status.json", "/metrics", "/healthz", "/readyz"})


class StatusPage:
    """Answers requests.

    Args:
        find_snapshot: Returns the newest snapshot of the status, and its age in seconds.
    """

    def __init__(self, find_snapshot: Callable[[], tuple[dict[str, Any], float]]) -> None:
        self._find_snapshot = find_snapshot

    @property
    def protocol(self) -> RequestProtocol:
        """Return the protocol of a listening socket."""
        return RequestProtocol(
            HandlerName.STATUS_LISTENER,
            HandlerName.STATUS_CONNECTION,
            end=b"\r\n\r\n",
            answer=lambda request, reply: reply(self.answer(request)),
            too_long=_page(431, _TEXT, f"a request has at most {REQUEST_BYTES} bytes\n"),
        )

    def answer(self, request: bytes) -> bytes:
        """Answer a request; only its first line matters, and is taken apart in linear time."""
        method, path = _parse(request.partition(b"\r\n")[0])
        if not path:
            return _page(400, _TEXT, "not HTTP\n")
        if method not in (b"GET", b"HEAD"):
            return _page(405, _TEXT, "only GET\n")
        code, kind, text = self._find(path)
        return _page(code, kind, text, is_head=method == b"HEAD")

    def _find(self, path: str) -> tuple[int, str, str]:
        if path not in _PATHS:
            return (
                404,
                _TEXT,
                "not found; give /, /status.json, /metrics, /healthz or /readyz\n",
            )
        snapshot, age = self._find_snapshot()
        is_stale = age > STALE_SECONDS
        if is_stale:
            snapshot |= {"state": "not responding", "ready": False}
        match path:
            case "/":
                return 200, _TEXT, stub(snapshot)
            case "/status.json":
                return 200, "application/json", json.dumps(snapshot) + "\n"
            case "/metrics":
                return 200, _METRICS, prometheus(snapshot)
            case _ if is_stale:
                return 503, _TEXT, f"the master has not responded for {age:.0f} s\n"
            case _:
                return _probe(path, is_ready=snapshot["ready"])


def _probe(path: str, *, is_ready: bool) -> tuple[int, str, str]:
    if path == "/healthz":
        return 200, _TEXT, "ok\n"
    return (200, _TEXT, "ready\n") if is_ready else (503, _TEXT, "not ready\n")


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
