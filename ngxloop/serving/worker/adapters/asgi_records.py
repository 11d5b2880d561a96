"""An AccessRecord for each request of an ASGI application that another server serves."""

import time
from collections.abc import Callable
from typing import Any

from ngxloop.http.options import AccessRecord

_CLIENT_LEFT = 499  # as nginx says it


def record_requests(application: Any, tell: Callable[[AccessRecord], object]) -> Any:
    """Return an ASGI application that does the same, and tells of each request at its end."""

    async def recorded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        request = _Request(scope, send)
        try:
            await application(scope, receive, request.send)
        except Exception:
            request.fail()
            raise
        finally:
            tell(request.record())

    return recorded


class _Request:
    """What is noted of one request."""

    def __init__(self, scope: Any, send: Any) -> None:
        query = scope["query_string"]
        path = scope.get("raw_path") or scope["path"].encode()
        target = path + (b"?" + query if query else b"")
        self._line = scope["method"], target.decode("latin-1"), scope["http_version"]
        self._client = tuple(scope["client"]) if scope.get("client") else None
        self._headers = scope["headers"]
        self._answered: Any = ()
        self._send = send
        self._begun = time.perf_counter()
        self._status = _CLIENT_LEFT
        self._body_bytes = 0

    async def send(self, message: Any) -> None:
        """Note a message, and send it."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._answered = list(message.get("headers", ()))
            message = {**message, "headers": self._answered}
        elif message["type"] == "http.response.body":
            self._body_bytes += len(message.get("body", b""))
        await self._send(message)

    def fail(self) -> None:
        """The application has raised: if nothing was sent, the server answers with status 500."""
        if self._status == _CLIENT_LEFT:
            self._status = 500

    def record(self) -> AccessRecord:
        """Return what was noted."""
        method, target, version = self._line
        seconds = time.perf_counter() - self._begun
        return AccessRecord(
            self._client,
            method,
            target,
            version,
            self._status,
            self._body_bytes,
            seconds,
            self._headers,
            self._answered,
        )
