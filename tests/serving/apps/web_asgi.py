"""An ASGI application for the tests; every answer's body is the worker's process id."""

import asyncio
import os
import signal
import sys

WAKE = signal.SIGRTMIN + 1
state = {"started": False}


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "websocket":
        await websocket(receive, send)
    else:
        await PAGES[scope["path"]](receive, send)


async def lifespan(receive, send):
    await receive()
    state["started"] = True
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("lifespan ended", file=sys.stderr, flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def websocket(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def start_answer(send):
    await send(
        {"type": "http.response.start", "status": 200 if state["started"] else 500, "headers": []}
    )


async def process_id(receive, send):
    await start_answer(send)
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})


async def until_body_ends(receive, send):
    """Answer begins at once and ends when the request does: the client decides how slow it is."""
    await start_answer(send)
    await send({"type": "http.response.body", "body": b"begun\n", "more_body": True})
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.body", "body": b"ended\n"})


async def after_body(receive, send):
    """Begin the answer when the request has ended, and ask to keep the connection."""
    print("request begun", file=sys.stderr, flush=True)
    while (await receive()).get("more_body"):
        pass
    headers = [(b"Connection", b"keep-alive"), (b"Content-Length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def forever(receive, send):
    print("request hangs", file=sys.stderr, flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("request cancelled", file=sys.stderr, flush=True)
        raise


async def block(receive, send):
    """Block the whole worker, as a computation or a driver that is not async would."""
    print("worker blocks", file=sys.stderr, flush=True)
    read_fd, _ = os.pipe()
    os.read(read_fd, 1)


async def nap(receive, send):
    """Block the whole worker until it gets the signal WAKE."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {WAKE})
    print("worker naps", file=sys.stderr, flush=True)
    signal.sigwait({WAKE})
    await start_answer(send)
    await send({"type": "http.response.body", "body": b""})


async def sender(receive, send):
    """Say whose method the server has given us to send with."""
    await start_answer(send)
    await send({"type": "http.response.body", "body": type(send.__self__).__module__.encode()})


PAGES = {
    "/sender": sender,
    "/": process_id,
    "/slow": until_body_ends,
    "/late": after_body,
    "/hang": forever,
    "/block": block,
    "/nap": nap,
}


class Instance:
    """An application that is an object, as Starlette's and FastAPI's are."""

    async def __call__(self, scope, receive, send):
        await app(scope, receive, send)


instance = Instance()


def make_app():
    return app


async def make_app_slowly():
    await asyncio.sleep(0)
    return app


async def refuse(scope, receive, send):
    """Fail in the lifespan's start-up."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def start_forever(scope, receive, send):
    await asyncio.Event().wait()
