"""What a failed connection attempt leaves behind: no open socket, and no reference cycle."""

import asyncio
import gc
import socket
import sys
import weakref

import pytest

from tests.support.loops import is_stdlib
from tests.support.sockets import LOOPBACK, refused_address, tcp_listener, tcp_pair, unix_pair
from tests.support.streams import address_of, serving
from tests.support.tls import client_context
from tests.support.waiting import turns, wait_until


class FactoryError(Exception):
    pass


def failing_factory():
    raise FactoryError


class SocketRecord(socket.socket):
    """A socket that remembers all of its kind."""

    made: list[socket.socket]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.made.append(self)


@pytest.fixture
def made_sockets(monkeypatch):
    """Give the list of all sockets that the test makes."""
    monkeypatch.setattr(SocketRecord, "made", [], raising=False)
    monkeypatch.setattr(socket, "socket", SocketRecord)
    return SocketRecord.made


def skip_on_old_asyncio(version):
    """Skip where asyncio has not learned this yet."""
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info < version:
        pytest.skip("fixed in a later version of asyncio")


@pytest.mark.parametrize("host", [LOOPBACK, "localhost"])
async def test_a_socket_is_closed_when_the_protocol_factory_raises(made_sockets, host):
    skip_on_old_asyncio((3, 15))
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener:
        _, port = listener.getsockname()
        del made_sockets[:]
        with pytest.raises(FactoryError):
            await loop.create_connection(failing_factory, host, port, family=socket.AF_INET)
    assert [sock.fileno() for sock in made_sockets] == [-1] * len(made_sockets)


@pytest.mark.parametrize("method", ["create_connection", "connect_accepted_socket"])
async def test_a_given_socket_is_closed_when_the_protocol_factory_raises(method):
    skip_on_old_asyncio((3, 15))
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, _peer):
        with pytest.raises(FactoryError):
            await getattr(loop, method)(failing_factory, sock=ours)
        assert ours.fileno() == -1


async def test_a_socket_that_another_transport_uses_is_not_closed():
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio makes a second transport")
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, _peer):
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        with pytest.raises(RuntimeError, match="is used by transport"):
            await loop.create_connection(asyncio.Protocol, sock=ours)
        assert ours.fileno() >= 0
        transport.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize("method", ["create_connection", "connect_accepted_socket"])
async def test_the_socket_of_a_cancelled_attempt_is_open_until_its_transport_is_lost(method):
    loop = asyncio.get_running_loop()
    numbers = []

    async def attempt(sock):
        try:
            await getattr(loop, method)(asyncio.Protocol, sock=sock)
        finally:
            numbers.append(sock.fileno())

    with unix_pair() as (ours, _):
        number = ours.fileno()
        attempting = asyncio.create_task(attempt(ours))
        await turns(1)  # the transport is made, and waits for its first event
        attempting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempting
        await wait_until(lambda: ours.fileno() == -1)

    assert numbers == [number]


async def test_a_datagram_socket_is_closed_when_the_protocol_factory_raises(made_sockets):
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio leaves the socket to the garbage collector")
    loop = asyncio.get_running_loop()
    with pytest.raises(FactoryError):
        await loop.create_datagram_endpoint(failing_factory, local_addr=(LOOPBACK, 0))
    assert [sock.fileno() for sock in made_sockets] == [-1]


async def refused():
    await asyncio.open_connection(*refused_address())


async def refused_by_name():
    await asyncio.open_connection("localhost", refused_address()[1])


async def refused_with_happy_eyeballs():
    await asyncio.open_connection("localhost", refused_address()[1], happy_eyeballs_delay=0.25)


async def missing_unix_socket():
    await asyncio.open_unix_connection("/nowhere")


async def handshake_with_a_plain_server():
    async with serving(asyncio.Protocol) as server:
        connecting = asyncio.open_connection(
            *address_of(server),
            ssl=client_context(),
            server_hostname="localhost",
            ssl_handshake_timeout=0.05,
        )
        await connecting


async def missing_program():
    await asyncio.create_subprocess_exec("/nowhere")


ATTEMPTS = [
    refused,
    refused_by_name,
    refused_with_happy_eyeballs,
    missing_unix_socket,
    handshake_with_a_plain_server,
    missing_program,
]


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.__name__)
async def test_the_exception_of_a_failed_attempt_is_in_no_cycle(attempt):
    skip_on_old_asyncio((3, 14, 10))

    class Mark:
        pass

    async def fail():
        mark = Mark()  # which a frame of the traceback holds
        marks.append(weakref.ref(mark))
        with pytest.raises(OSError):  # noqa: PT011 - of which kind is the business of other tests
            await attempt()

    marks = []
    gc.collect()
    gc.disable()
    try:
        await fail()
        for _ in range(3):  # tasks that have ended are dropped
            await asyncio.sleep(0)
        assert marks[0]() is None
    finally:
        gc.enable()
