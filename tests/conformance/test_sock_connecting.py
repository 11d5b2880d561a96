"""sock_accept and sock_connect."""

import asyncio
import contextlib
import socket
import sys

import pytest

from tests.support.loops import is_stdlib
from tests.support.sockets import (
    LOOPBACK,
    refused_address,
    tcp_listener,
)
from tests.support.waiting import step, turns


async def test_sock_accept_returns_a_non_blocking_connection_and_its_address():
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener, socket.socket() as client:
        task = asyncio.create_task(loop.sock_accept(listener))
        await turns(2)
        client.connect(listener.getsockname())
        connection, address = await task
        with connection:
            assert connection.gettimeout() == 0
            assert address == client.getsockname()


async def test_sock_accept_takes_a_waiting_connection_without_suspending():
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener, socket.create_connection(listener.getsockname()):
        connection, _ = step(loop.sock_accept(listener))
        connection.close()


async def test_a_cancelled_sock_accept_takes_no_connection():
    loop = asyncio.get_running_loop()
    if is_stdlib(loop) and sys.version_info < (3, 15):
        pytest.skip("asyncio accepts the connection and drops it before Python 3.15")
    with tcp_listener() as listener:
        task = asyncio.create_task(loop.sock_accept(listener))
        await turns(2)
        with socket.create_connection(listener.getsockname()):
            task.cancel()
            await asyncio.wait([task])
            connection, _ = await loop.sock_accept(listener)
            connection.close()


async def test_sock_connect_connects():
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener, socket.socket() as client:
        client.setblocking(False)
        assert await loop.sock_connect(client, listener.getsockname()) is None
        connection, address = listener.accept()
        connection.close()
        assert address == client.getsockname()


async def test_sock_connect_resolves_host_names():
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener, socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("localhost", listener.getsockname()[1]))
        assert client.getpeername() == listener.getsockname()


async def test_sock_connect_to_a_port_nobody_listens_on_is_refused():
    loop = asyncio.get_running_loop()
    address = refused_address()
    with socket.socket() as client:
        client.setblocking(False)
        with pytest.raises(ConnectionRefusedError) as raised:
            await loop.sock_connect(client, address)

    assert str(address) in str(raised.value)


async def test_sock_connect_connects_unix_sockets(tmp_path):
    loop = asyncio.get_running_loop()
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen()
        client.setblocking(False)
        await loop.sock_connect(client, path)
        assert client.getpeername() == path


async def test_a_cancelled_sock_connect_leaves_nothing_watched():
    loop = asyncio.get_running_loop()
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        # Linux drops what does not fit into the backlog: the third connection hangs.
        clients = [stack.enter_context(socket.socket()) for _ in range(3)]
        tasks = []
        for client in clients:
            client.setblocking(False)
            connecting = loop.sock_connect(client, listener.getsockname())
            tasks.append(asyncio.create_task(connecting))
        _, pending = await asyncio.wait(tasks, timeout=0.05)
        assert pending
        for task in pending:
            task.cancel()
        await asyncio.wait(pending)
        await turns(2)
        assert [loop.remove_writer(client) for client in clients] == [False] * 3
