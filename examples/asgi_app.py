"""An ASGI application without a framework: a page that says which worker answered, and a lifespan.

    ngxloop-serve asgi_app:app --app-dir examples --workers 4
    curl http://127.0.0.1:8000/

Reload the page a few times: the process id changes. `kill -HUP` of the master reloads this file.
"""

import os
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PAGE = """<!doctype html>
<title>ngxloop</title>
<h1>Served by worker process {pid}</h1>
<p>It has been running for {seconds:.0f} seconds. Reload to meet its colleagues.</p>
"""

started_at = time.monotonic()


async def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answer every HTTP request with the page."""
    if scope["type"] == "lifespan":
        await run_lifespan(receive, send)
    elif scope["type"] == "http":
        page = PAGE.format(pid=os.getpid(), seconds=time.monotonic() - started_at)
        await answer(send, page.encode())


async def run_lifespan(receive: Receive, send: Send) -> None:
    """Open what the application needs before the first request, close it after the last one."""
    await receive()  # lifespan.startup: connect to the database here
    await send({"type": "lifespan.startup.complete"})
    await receive()  # lifespan.shutdown: disconnect here
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send: Send, body: bytes) -> None:
    """Send one HTML page."""
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
