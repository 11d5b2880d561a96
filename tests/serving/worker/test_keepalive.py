"""Clients that keep their connections lose no request when a program is reloaded."""

import asyncio
import contextlib
import http.client
import signal
import threading

import pytest

from ngxloop.http import HttpServer
from ngxloop.serving.worker.keepalive import Connections
from tests.http.serving import hello
from tests.serving.programs_support import PROGRAMS, Load
from tests.serving.support import DEADLINE
from tests.support.addresses import own_host
from tests.support.tls import CERTIFICATE, KEY, client_context
from tests.support.waiting import wait_until

# name -> package, script, its arguments behind host and port, reloads
CASES = {
    "ngxloop.http": ("ngxloop", "ngxloop_http.py", [], 5),
    "uvicorn": ("uvicorn", "uvicorn_run.py", ["asyncio"], 20),
    "uvicorn over TLS": ("uvicorn", "uvicorn_tls.py", [str(CERTIFICATE), str(KEY)], 5),
    "hypercorn": ("hypercorn", "hypercorn_serve.py", [], 5),
    "aiohttp": ("aiohttp", "aiohttp_run_app.py", [], 5),
}
CLIENTS = 6


class KeepAliveClients:
    """Each thread asks again and again on one connection, until an answer says that it ends."""

    def __init__(self, is_tls):
        self._is_tls = is_tls
        self._connections = {}

    def ask(self, address):
        key = threading.get_ident()
        connection = self._connections.get(key)
        if connection is None:
            connection = self._connections[key] = self._connect(address)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"hello\n")
        if answer.will_close:
            connection.close()
            del self._connections[key]

    def close(self):
        for connection in self._connections.values():
            connection.close()

    def _connect(self, address):
        if self._is_tls:
            context = client_context()
            context.check_hostname = False
            return http.client.HTTPSConnection(*address, timeout=DEADLINE, context=context)
        return http.client.HTTPConnection(*address, timeout=DEADLINE)


@pytest.mark.parametrize("name", CASES)
def test_no_request_on_a_kept_connection_is_lost_by_reloads(serve, name):
    package, script, arguments, reload_count = CASES[name]
    pytest.importorskip(package)
    arguments = [str(PROGRAMS / script), own_host(), "0", *arguments]
    options = ["-w", "2", "--idle-grace", "10", "--log-level", "debug"]  # a starved client is slow
    server = serve(*options, *arguments, program=True).serving()
    clients = KeepAliveClients("TLS" in name)
    load = Load(clients.ask, server.address)
    with contextlib.closing(clients), load.running(CLIENTS):
        for number in range(2, reload_count + 2):
            load.wait_for_answers(5)
            server.send(signal.SIGHUP)
            server.logged(rf"reloaded: generation {number} serves")
            for _ in range(2):
                server.logged(rf"worker {number - 1}\.\d \(process \d+\) exited with code 0")
    assert load.failures == [], server.log
    assert server.end() == 0
    assert "Traceback" not in server.log


async def test_the_end_reaches_a_connection_that_its_server_does_not_know_yet():
    web = pytest.importorskip("aiohttp.web")
    loop = asyncio.get_running_loop()
    connections = Connections()

    async def hello(request):
        return web.Response(text="hello\n")

    make_protocol = connections.noting(web.Server(hello))

    def make_protocol_at_the_beginning_of_the_end():
        loop.call_soon(connections.end)  # runs before connection_made()
        return make_protocol()

    async with await loop.create_server(
        make_protocol_at_the_beginning_of_the_end, own_host(), 0
    ) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            answer = await reader.read()
        writer.close()
    assert b"Connection: close\r\n" in answer


@pytest.mark.parametrize("is_late", [False, True])
async def test_the_end_reaches_connections_of_our_own_server(is_late):
    loop = asyncio.get_running_loop()
    connections = Connections()
    server = HttpServer(hello, lifespan="off")
    make_protocol = connections.noting(server.protocol)
    if is_late:
        connections.end()
    async with await loop.create_server(make_protocol, own_host(), 0) as listening:
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
        await wait_until(lambda: server.engine.connections)
        connections.end()
        writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        async with asyncio.timeout(DEADLINE):
            answer = await reader.read()
        writer.close()
    assert b"connection: close\r\n" in answer
