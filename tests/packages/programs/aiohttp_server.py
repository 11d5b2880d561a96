"""An aiohttp server on ngxloop's loop; it prints the port it listens on."""

import asyncio
import socket

from aiohttp import web

import ngxloop


async def name_loop(request):
    """Answer with the class of the loop."""
    loop_class = type(asyncio.get_running_loop())
    return web.Response(text=f"{loop_class.__module__}.{loop_class.__qualname__}")


async def send_back(request):
    """Answer with the body of the request."""
    return web.Response(body=await request.read())


async def stream(request):
    """Answer in a thousand pieces."""
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(1000):
        await response.write(b"%03d" % number)
    await response.write_eof()
    return response


async def echo(request):
    """Send back the messages of a WebSocket."""
    websocket = web.WebSocketResponse()
    await websocket.prepare(request)
    async for message in websocket:
        await websocket.send_str(message.data)
    return websocket


def main():
    """Serve until a signal comes."""
    app = web.Application(client_max_size=100_000_000)
    app.router.add_get("/loop", name_loop)
    app.router.add_post("/echo", send_back)
    app.router.add_get("/stream", stream)
    app.router.add_get("/websocket", echo)
    sock = socket.create_server(("127.0.0.1", 0))
    print(f"port {sock.getsockname()[1]}", flush=True)
    web.run_app(app, sock=sock, loop=ngxloop.new_event_loop())
    print("ended in good order", flush=True)


if __name__ == "__main__":
    main()
