"""An ASGI application that says what its server tells it, for the tests of the interface asgi."""

import asyncio
import json
import sys


def tell(line):
    print(line, file=sys.stderr, flush=True)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    else:
        await PAGES[scope["path"].removeprefix(scope["root_path"])](scope, receive, send)


async def lifespan(scope, receive, send):
    await receive()
    scope["state"]["shared"] = "from the lifespan"
    await send({"type": "lifespan.startup.complete"})
    await receive()
    tell("lifespan ended")
    await send({"type": "lifespan.shutdown.complete"})


async def answer(send, text, status=200):
    headers = [(b"content-length", b"%d" % len(text))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


async def told(scope, receive, send):
    """Answer with what there is to know."""
    known = {
        "root_path": scope["root_path"],
        "path": scope["path"],
        "state": scope.get("state"),
        "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
        "has_uvicorn": "uvicorn" in sys.modules,
        "client": scope["client"],
        "scheme": scope["scheme"],
    }
    await answer(send, json.dumps(known))


async def read(scope, receive, send):
    """Answer with the length of the body."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            tell("client left")
            return
        size, more = size + len(message["body"]), message["more_body"]
    await answer(send, f"{size}\n")


async def status(scope, receive, send):
    """Answer with the status that the query names."""
    await answer(send, "x" * 10, int(scope["query_string"] or 200))


async def flood(scope, receive, send):
    """Send for ever, until that fails."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
    except OSError as error:
        tell(f"flood ended by {type(error).__name__}")


async def events(scope, receive, send):
    """Be a stream of server-sent events: one, then silence until the client has left."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"event\n", "more_body": True})
    await hear_of_the_end(receive, send, {"type": "http.response.body", "body": b"more\n"})


async def poll(scope, receive, send):
    """Be a long poll: nothing to tell."""
    tell("poll waits")
    start = {"type": "http.response.start", "status": 200, "headers": []}
    await hear_of_the_end(receive, send, start)


async def hear_of_the_end(receive, send, message):
    while (await receive())["type"] != "http.disconnect":
        pass
    try:
        await send(message)
    except OSError as error:
        tell(f"heard of the end: {type(error).__name__}")


async def fail(scope, receive, send):
    raise LookupError("asked to fail")


async def hello(scope, receive, send):
    await answer(send, "hello\n")


PAGES = {
    "/hello": hello,
    "/": told,
    "/read": read,
    "/status": status,
    "/flood": flood,
    "/events": events,
    "/poll": poll,
    "/fail": fail,
}


async def without_lifespan(scope, receive, send):
    assert scope["type"] == "http", "there is no lifespan"
    await told(scope, receive, send)


async def raises(scope, receive, send):
    """Fail in the lifespan's start-up, by an exception."""
    if scope["type"] == "lifespan":
        raise LookupError("no database")
    await told(scope, receive, send)


async def refuses(scope, receive, send):
    """Fail in the lifespan's start-up as Starlette does: with a traceback as the message."""
    message = 'Traceback (most recent call last):\n  File "x.py"\nLookupError: no database\n'
    await receive()
    await send({"type": "lifespan.startup.failed", "message": message})
    raise LookupError("no database")


async def exits(scope, receive, send):
    """Refuse to start."""
    sys.exit("no licence")


async def ends_badly(scope, receive, send):
    """Fail in the lifespan's shutdown."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.sleep(0)
    await send({"type": "lifespan.shutdown.failed", "message": "left open"})


async def old_style(scope):
    """ASGI 2."""
