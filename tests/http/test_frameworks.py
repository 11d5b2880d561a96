"""Starlette's and FastAPI's applications on the engine."""

import asyncio
import contextlib
import json

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route

from tests.http.serving import GET, client, post, serving
from tests.http.test_disconnects import records_of_ours
from tests.support.waiting import wait_until

MIDDLEWARES = pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "middleware"])


class Stamp(BaseHTTPMiddleware):
    """Adds a header to each answer."""

    async def dispatch(self, request, call_next):
        """Pass the request on."""
        response = await call_next(request)
        response.headers["x-stamp"] = request.url.path
        return response


def application(wrapped, *routes):
    return Starlette(routes=routes, middleware=[Middleware(Stamp)] if wrapped else [])


@contextlib.asynccontextmanager
async def asking(application, **options):
    """Serve an application; give a client of it."""
    async with serving(application, **options) as served, client(served) as peer:
        yield peer


def get(path):
    return GET.replace(b"/ ", path + b" ")


@MIDDLEWARES
async def test_routing(wrapped):
    async def item(request):
        return JSONResponse({"item": request.path_params["item"], "q": request.query_params["q"]})

    async def echo(request):
        return PlainTextResponse(await request.body())

    routes = [
        Mount("/api", routes=[Route("/items/{item:int}", item)]),
        Route("/", echo, methods=["POST"]),
    ]
    async with serving(application(wrapped, *routes)) as served, client(served) as peer:
        peer.send(get(b"/api/items/42?q=a%20b"))
        answer = await peer.answer()
        assert json.loads(answer.body) == {"item": 42, "q": "a b"}
        assert answer.header(b"x-stamp") == (b"/api/items/42" if wrapped else None)
        peer.send(post(b"content" * 50_000))
        assert (await peer.answer()).body == b"content" * 50_000
        for path, status in ((b"/none", 404), (b"/", 405), (b"/api/items/x?q=", 404)):
            peer.send(get(path))
            assert (await peer.answer()).status == status
    assert served.server.engine.answer_counts == {
        "1xx": 0,
        "2xx": 2,
        "3xx": 0,
        "4xx": 3,
        "5xx": 0,
    }


@MIDDLEWARES
async def test_a_streaming_response_is_chunked(wrapped):
    async def numbers():
        for number in range(100):
            yield f"{number}\n"
            await asyncio.sleep(0)

    async def endpoint(request):
        return StreamingResponse(numbers())

    async with asking(application(wrapped, Route("/", endpoint))) as peer:
        for _ in range(2):
            peer.send(GET)
            answer = await peer.answer()
            assert answer.header(b"transfer-encoding") == b"chunked"
            assert answer.body == b"".join(b"%d\n" % number for number in range(100))


@MIDDLEWARES
async def test_a_background_task_runs_behind_the_answer(wrapped):
    ran = []
    go_on = asyncio.Event()

    async def background():
        await go_on.wait()
        ran.append(None)

    async def endpoint(request):
        return PlainTextResponse("answered", background=BackgroundTask(background))

    async with asking(application(wrapped, Route("/", endpoint))) as peer:
        for _ in range(2):  # the connection goes on meanwhile
            peer.send(GET)
            assert (await peer.answer()).body == b"answered"
        assert ran == []
        go_on.set()
        await wait_until(lambda: len(ran) == 2)


@MIDDLEWARES
async def test_the_clean_up_of_a_sleeping_generator_runs_when_the_client_leaves(wrapped, caplog):
    """As with server-sent events that have nothing to say (http.disconnect cancels the stream)."""
    cleaned = asyncio.Event()
    sleeps = asyncio.Event()

    async def events():
        try:
            yield b"data: 1\n\n"
            sleeps.set()
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async def endpoint(request):
        return StreamingResponse(events(), media_type="text/event-stream")

    async with serving(application(wrapped, Route("/", endpoint))) as served:
        async with client(served) as peer:
            peer.send(GET)
            await sleeps.wait()
        await asyncio.wait_for(cleaned.wait(), 5)
    assert records_of_ours(caplog) == []


@MIDDLEWARES
async def test_a_reset_in_the_middle_of_a_stream_leaves_no_line_in_the_log(wrapped, caplog):
    async def endless():
        while True:
            yield bytes(10_000)
            await asyncio.sleep(0)

    async def endpoint(request):
        return StreamingResponse(endless())

    async with serving(application(wrapped, Route("/", endpoint))) as served:
        for _ in range(5):
            async with client(served) as peer:
                peer.send(GET)
                await peer.reader.readuntil(b"\r\n\r\n")
                peer.reset()
        await wait_until(lambda: not served.server.engine.tasks)
    assert records_of_ours(caplog) == []


async def test_a_poll_hears_that_the_client_has_left():
    """is_disconnected() awaits receive() in a scope that is cancelled beforehand."""
    polls = []

    async def endpoint(request):
        while not await request.is_disconnected():
            polls.append(None)
            await asyncio.sleep(0)
        polls.append("left")
        return Response()

    async with serving(application(False, Route("/", endpoint))) as served:
        async with client(served) as peer:
            peer.send(GET)
            await wait_until(lambda: len(polls) > 2)
        await wait_until(lambda: polls[-1] == "left")


async def test_a_client_that_leaves_while_it_uploads_is_no_error(caplog):
    async def endpoint(request):
        with pytest.raises(ClientDisconnect):
            await request.body()
        raise ClientDisconnect

    async with serving(application(False, Route("/", endpoint, methods=["POST"]))) as served:
        async with client(served) as peer:
            peer.send(post(bytes(100_000))[:-1])
            await wait_until(lambda: served.server.engine.tasks)
        await wait_until(lambda: not served.server.engine.tasks)


@MIDDLEWARES
async def test_a_file_response(wrapped, tmp_path):
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)

    async def endpoint(request):
        return FileResponse(tmp_path / "file")

    async with asking(application(wrapped, Route("/", endpoint))) as peer:
        peer.send(GET)
        assert (await peer.answer()).body == content
        peer.send(GET.replace(b"\r\n\r\n", b"\r\nRange: bytes=3-9\r\n\r\n"))
        answer = await peer.answer()
        assert (answer.status, answer.body) == (206, content[3:10])


@MIDDLEWARES
async def test_an_exception_of_an_endpoint_is_logged_and_answered(wrapped, caplog):
    async def endpoint(request):
        raise ValueError("a defect")

    async with asking(application(wrapped, Route("/", endpoint))) as peer:
        for _ in range(2):
            peer.send(GET)
            assert (await peer.answer()).status == 500
    assert caplog.text.count("ValueError: a defect") == 2


async def test_a_compressed_answer():
    async def endpoint(request):
        return PlainTextResponse("text " * 1000)

    compressing = Starlette(routes=[Route("/", endpoint)], middleware=[Middleware(GZipMiddleware)])
    async with serving(compressing) as served, client(served) as peer:
        peer.send(GET.replace(b"\r\n\r\n", b"\r\nAccept-Encoding: gzip\r\n\r\n"))
        answer = await peer.answer()
        assert answer.header(b"content-encoding") == b"gzip"
        assert len(answer.body) < 1000


async def test_the_lifespan_gives_requests_their_state():
    @contextlib.asynccontextmanager
    async def lifespan(application):
        yield {"number": 42}

    async def endpoint(request: Request):
        return JSONResponse(request.state.number)

    stateful = Starlette(routes=[Route("/", endpoint)], lifespan=lifespan)
    async with serving(stateful, lifespan="on") as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).body == b"42"


def fastapi_application(ended):
    app = FastAPI()

    async def resource():
        yield "resource"
        ended.append("resource")

    @app.get("/items/{item}")
    async def read_item(item: int, q: str | None = None, got: str = Depends(resource)):
        return {"item": item, "q": q, "got": got}

    @app.post("/items")
    async def create_item(content: dict[str, int]):
        return {"sum": sum(content.values())}

    @app.get("/thread")
    def in_a_thread():
        return "thread"

    return app


async def test_fastapi():
    ended = []
    content = json.dumps({"a": 1, "b": 2}).encode()
    posted = (
        post(content)
        .replace(b"POST / ", b"POST /items ")
        .replace(b"Host: a", b"Host: a\r\nContent-Type: application/json")
    )
    async with asking(fastapi_application(ended), lifespan="on") as peer:
        peer.send(get(b"/items/5?q=x"))
        assert json.loads((await peer.answer()).body) == {
            "item": 5,
            "q": "x",
            "got": "resource",
        }
        peer.send(posted)
        assert json.loads((await peer.answer()).body) == {"sum": 3}
        peer.send(get(b"/thread"))
        assert json.loads((await peer.answer()).body) == "thread"
        peer.send(get(b"/items/none"))
        assert (await peer.answer()).status == 422
        peer.send(get(b"/openapi.json"))
        assert json.loads((await peer.answer()).body)["paths"].keys() == {
            "/items/{item}",
            "/items",
            "/thread",
        }
    assert ended == ["resource"]
