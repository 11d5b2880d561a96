"""An ASGI application: it names its loop, sends back request bodies, and echoes over WebSocket."""

import asyncio


async def app(scope, receive, send):
    """Serve one connection of the server's."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await echo(receive, send)
    elif scope["path"] == "/loop":
        loop_class = type(asyncio.get_running_loop())
        await answer(send, f"{loop_class.__module__}.{loop_class.__qualname__}".encode())
    else:
        await answer(send, await body(receive))


async def lifespan(receive, send):
    """Take part in start and stop."""
    for event in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{event}"
        await send({"type": f"lifespan.{event}.complete"})


async def echo(receive, send):
    """Send back the messages of a WebSocket until it is closed."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def body(receive):
    """Return the whole body of a request."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def answer(send, content):
    """Answer a request."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", str(len(content)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": content})
