"""httpx over anyio, with uvicorn on our loop at the other end; and anyio's own sockets."""

import asyncio
import contextlib
import io
import ssl

import pytest

import ngxloop
from tests.packages.peers import need
from tests.support.processes import Program
from tests.support.tls import CERTIFICATE, KEY, client_context

anyio = need("anyio")
httpx = need("httpx")


def run(function, *args):
    """Run a coroutine function with anyio, on our loop."""
    options = {"loop_factory": ngxloop.new_event_loop}
    return anyio.run(function, *args, backend_options=options)


@pytest.fixture(params=["http", "https"])
def url(request):
    """Give the URL of a running server."""
    arguments = ["--loop", "ngxloop:new_event_loop", "--port", "0"]
    if request.param == "https":
        arguments += ["--ssl-certfile", str(CERTIFICATE), "--ssl-keyfile", str(KEY)]
    with Program("-m", "uvicorn", *arguments, "tests.packages.programs.asgi:app") as program:
        yield program.wait_for(r"Uvicorn running on (https?://127\.0\.0\.1:\d+)")[1]


def test_many_requests_at_once_are_answered(url):
    async def main():
        limits = httpx.Limits(max_connections=20)
        async with httpx.AsyncClient(verify=client_context(), limits=limits) as client:
            assert type(asyncio.get_running_loop()) is ngxloop.EventLoop
            answers = await asyncio.gather(
                *(client.post(f"{url}/echo", content=b"%d" % n * n) for n in range(100))
            )
            assert [answer.content for answer in answers] == [b"%d" % n * n for n in range(100)]

    run(main)


def test_a_large_body_comes_back_whole(url):
    body = bytes(range(256)) * 20_000

    async def main():
        async with httpx.AsyncClient(verify=client_context(), timeout=30) as client:
            answer = await client.post(f"{url}/echo", content=body)
            assert answer.content == body

    run(main)


def test_a_request_can_be_given_a_time_limit():
    async def main():
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
            port = listener.extra(anyio.abc.SocketAttribute.local_port)
            async with httpx.AsyncClient(timeout=0.1) as client:
                with pytest.raises(httpx.TimeoutException):
                    await client.get(f"http://127.0.0.1:{port}/")

    run(main)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_streams_of_anyio_echo(secure):
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(CERTIFICATE, KEY)
    data = bytes(range(256)) * 4000

    async def echo(stream):
        async with stream:
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    await stream.send(await stream.receive())

    async def talk(port):
        context = client_context() if secure else None
        stream = await anyio.connect_tcp("127.0.0.1", port, ssl_context=context)
        received = io.BytesIO()
        async with stream, anyio.create_task_group() as group:
            group.start_soon(stream.send, data)
            while received.tell() < len(data):
                received.write(await stream.receive())
        assert received.getvalue() == data

    async def main():
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        if secure:
            listener = anyio.streams.tls.TLSListener(listener, server_context)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, echo)
            async with anyio.create_task_group() as clients:
                for _ in range(5):
                    clients.start_soon(talk, port)
            group.cancel_scope.cancel()

    run(main)


def test_datagrams_of_anyio_echo():
    async def main():
        async with (
            await anyio.create_udp_socket(local_host="127.0.0.1") as server,
            await anyio.create_udp_socket(local_host="127.0.0.1") as client,
        ):
            await client.sendto(b"hello", *server.extra(anyio.abc.SocketAttribute.local_address))
            data, address = await server.receive()
            await server.sendto(data.upper(), *address)
            assert (await client.receive())[0] == b"HELLO"

    run(main)
