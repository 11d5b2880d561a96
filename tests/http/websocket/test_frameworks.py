"""WebSockets of Starlette and FastAPI."""

import logging

import pytest
import websockets
from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect, WebSocketException
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from tests.http.serving import serving
from tests.support.waiting import wait_until


def uri(served, path="/"):
    host, port = served.address
    return f"ws://{host}:{port}{path}"


async def test_endpoint_class_of_starlette():
    ended = []

    class Upper(WebSocketEndpoint):
        encoding = "text"

        async def on_connect(self, websocket):
            await websocket.accept(subprotocol="upper", headers=[(b"x-own", b"1")])

        async def on_receive(self, websocket, data):
            await websocket.send_text(data.upper())

        async def on_disconnect(self, websocket, close_code):
            ended.append(close_code)

    async def page(request):
        return PlainTextResponse("page")

    routes = [WebSocketRoute("/ws/{room}", Upper), Route("/", page)]
    async with serving(Starlette(routes=routes)) as served:
        async with websockets.connect(uri(served, "/ws/1"), subprotocols=["upper"]) as peer:
            assert (peer.subprotocol, peer.response.headers["x-own"]) == ("upper", "1")
            await peer.send("text")
            assert await peer.recv() == "TEXT"
            await peer.close(3001)
        await wait_until(lambda: ended == [3001])
        for path, status in (("/none", 403), ("/", 403)):
            with pytest.raises(websockets.InvalidStatus) as caught:
                await websockets.connect(uri(served, path))
            assert caught.value.response.status_code == status


def application(left):
    app = FastAPI()

    async def room(name: str, token: str | None = None):
        if token == "wrong":
            raise WebSocketException(code=1008)
        return name

    @app.websocket("/rooms/{name}")
    async def talk(websocket: WebSocket, where: str = Depends(room)):
        await websocket.accept()
        try:
            while True:
                await websocket.send_json({"room": where, "said": await websocket.receive_json()})
        except WebSocketDisconnect as exc:
            left.append(exc.code)

    @app.websocket("/closed")
    async def closed(websocket: WebSocket):
        await websocket.accept()
        await websocket.close(4000, await websocket.receive_text())

    @app.websocket("/denied")
    async def denied(websocket: WebSocket):
        await websocket.send_denial_response(PlainTextResponse("not you", 401))

    @app.websocket("/defect")
    async def defect(websocket: WebSocket):
        await websocket.accept()
        raise ValueError("a defect")

    return app


async def test_fastapi(caplog):
    left = []
    async with serving(application(left)) as served:
        async with websockets.connect(uri(served, "/rooms/a?token=b")) as peer:
            for number in range(3):
                await peer.send(f"{number}")
                assert await peer.recv() == f'{{"room":"a","said":{number}}}'
        await wait_until(lambda: left == [1000])
        async with websockets.connect(uri(served, "/closed")) as peer:
            await peer.send("enough")
            with pytest.raises(websockets.ConnectionClosedError) as caught:
                await peer.recv()
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4000, "enough")
        for path, status, body in (
            ("/rooms/a?token=wrong", 403, b"403\n"),
            ("/denied", 401, b"not you"),
        ):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(uri(served, path))
            assert (refused.value.response.status_code, refused.value.response.body) == (
                status,
                body,
            )
        assert caplog.records == [r for r in caplog.records if r.levelno < logging.WARNING]
        async with websockets.connect(uri(served, "/defect")) as peer:
            with pytest.raises(websockets.ConnectionClosedError) as failed:
                await peer.recv()
            assert failed.value.rcvd.code == 1011
    assert caplog.text.count("ValueError: a defect") == 1


async def test_client_that_leaves_an_endless_stream_is_no_error(caplog):
    app = FastAPI()

    @app.websocket("/")
    async def endless(websocket: WebSocket):
        await websocket.accept()
        while True:
            await websocket.send_bytes(bytes(10_000))

    async with serving(app) as served:
        async with websockets.connect(uri(served), compression=None) as peer:
            await peer.recv()
            peer.transport.abort()
        await wait_until(lambda: not served.server.engine.tasks)
    assert "ngxloop" not in {r.name.partition(".")[0] for r in caplog.records if r.levelno > 20}
