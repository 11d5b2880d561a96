"""create_connection and connect_accepted_socket."""

import asyncio
import contextlib
import errno
import socket
import sys

import pytest

from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.sockets import LOOPBACK, receive, refused_address, tcp_listener, tcp_pair
from tests.support.streams import address_of, serving
from tests.support.waiting import turns, wait_until


@contextlib.contextmanager
def full_listener():
    """Give the address of a listener whose backlog is full: connecting to it hangs."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()


async def close(transport, protocol):
    """Close a connection and wait until it is lost."""
    transport.close()
    await protocol.closed


async def test_create_connection_returns_a_connected_transport_and_its_protocol():
    loop = asyncio.get_running_loop()
    async with serving(EchoProtocol) as server:
        transport, protocol = await loop.create_connection(RecordingProtocol, *address_of(server))
        assert protocol.transport is transport
        assert isinstance(transport, asyncio.Transport)
        assert transport.get_extra_info("peername") == address_of(server)
        transport.write(b"hello")
        await wait_until(lambda: protocol.received == b"hello")
        await close(transport, protocol)
        await turns(3)


async def test_create_connection_resolves_the_host():
    loop = asyncio.get_running_loop()
    async with serving(EchoProtocol) as server:
        transport, protocol = await loop.create_connection(
            RecordingProtocol, "localhost", address_of(server)[1]
        )
        await close(transport, protocol)
        await turns(3)


async def test_create_connection_asks_the_getaddrinfo_method_of_the_loop():
    loop = asyncio.get_running_loop()
    asked = []

    async with serving(EchoProtocol) as server:

        async def getaddrinfo(host, port, **options):
            asked.append(host)
            address = (LOOPBACK, address_of(server)[1])
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address)]

        loop.getaddrinfo = getaddrinfo
        transport, protocol = await loop.create_connection(
            RecordingProtocol, "no.such.host.invalid", 1
        )
        await close(transport, protocol)
        await turns(3)

    assert asked == ["no.such.host.invalid"]


async def test_the_factory_is_called_once_and_after_the_connection_stands():
    loop = asyncio.get_running_loop()
    called = []
    with tcp_listener() as listener:

        def factory():
            with contextlib.closing(listener.accept()[0]) as accepted:
                called.append(accepted.getpeername())
            return RecordingProtocol()

        transport, protocol = await loop.create_connection(factory, *listener.getsockname())
        assert called == [transport.get_extra_info("sockname")]
        await close(transport, protocol)


async def test_a_refused_connection_raises_and_calls_no_factory():
    address = refused_address()

    def factory():
        raise AssertionError("not connected")

    with pytest.raises(ConnectionRefusedError) as raised:
        await asyncio.get_running_loop().create_connection(factory, *address)

    assert str(raised.value) == f"[Errno 111] Connect call failed {address}"


def two_refused_addresses(loop):
    """Let the loop resolve every name to two addresses on which nothing listens."""
    addresses = [refused_address(), refused_address()]

    async def getaddrinfo(host, port, **options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    loop.getaddrinfo = getaddrinfo
    return addresses


async def test_the_errors_of_several_addresses_are_told_in_one():
    loop = asyncio.get_running_loop()
    addresses = two_refused_addresses(loop)

    with pytest.raises(OSError, match=r"^Multiple exceptions: ") as raised:
        await loop.create_connection(RecordingProtocol, "name", 1)

    assert all(str(address) in str(raised.value) for address in addresses)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="new in Python 3.12")
async def test_all_errors_raises_the_errors_of_all_addresses():
    loop = asyncio.get_running_loop()
    two_refused_addresses(loop)

    with pytest.raises(ExceptionGroup) as raised:
        await loop.create_connection(RecordingProtocol, "name", 1, all_errors=True)

    assert [type(exc) for exc in raised.value.exceptions] == [ConnectionRefusedError] * 2


async def test_the_next_address_is_tried_when_one_is_refused():
    loop = asyncio.get_running_loop()
    async with serving(EchoProtocol) as server:
        addresses = [refused_address(), address_of(server)]

        async def getaddrinfo(host, port, **options):
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", a) for a in addresses]

        loop.getaddrinfo = getaddrinfo
        transport, protocol = await loop.create_connection(RecordingProtocol, "name", 1)
        assert transport.get_extra_info("peername") == addresses[1]
        await close(transport, protocol)
        await turns(3)


async def test_happy_eyeballs_does_not_wait_for_an_address_that_hangs():
    loop = asyncio.get_running_loop()
    async with serving(EchoProtocol) as server:
        with full_listener() as hanging:
            addresses = [hanging, address_of(server)]

            async def getaddrinfo(host, port, **options):
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", a) for a in addresses]

            loop.getaddrinfo = getaddrinfo
            transport, protocol = await loop.create_connection(
                RecordingProtocol, "name", 1, happy_eyeballs_delay=0.01, interleave=1
            )
            assert transport.get_extra_info("peername") == addresses[1]
            await close(transport, protocol)
            await turns(3)


async def test_a_cancelled_create_connection_closes_its_socket():
    loop = asyncio.get_running_loop()
    with full_listener() as hanging:
        connecting = loop.create_connection(RecordingProtocol, *hanging)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(connecting, 0.02)


async def test_create_connection_binds_to_the_local_address():
    loop = asyncio.get_running_loop()
    async with serving(EchoProtocol) as server:
        transport, protocol = await loop.create_connection(
            RecordingProtocol, *address_of(server), local_addr=("127.0.0.3", 0)
        )
        assert transport.get_extra_info("sockname")[0] == "127.0.0.3"
        await close(transport, protocol)
        await turns(3)


async def test_a_local_address_that_cannot_be_bound_is_named():
    loop = asyncio.get_running_loop()
    async with serving(EchoProtocol) as server:
        with pytest.raises(OSError, match="error while attempting to bind on address") as raised:
            await loop.create_connection(
                RecordingProtocol, *address_of(server), local_addr=("192.0.2.1", 0)
            )

    assert raised.value.errno == errno.EADDRNOTAVAIL


async def test_create_connection_takes_over_a_connected_socket():
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, peer):
        transport, protocol = await loop.create_connection(RecordingProtocol, sock=ours)
        transport.write(b"hello")
        assert await receive(peer, 5) == b"hello"
        await close(transport, protocol)
        await turns(1)
        assert ours.fileno() == -1


async def test_create_connection_makes_a_blocking_socket_non_blocking():
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, peer):
        ours.setblocking(True)
        transport, protocol = await loop.create_connection(RecordingProtocol, sock=ours)
        assert transport.get_extra_info("socket").gettimeout() == 0
        peer.send(b"hello")
        await wait_until(lambda: protocol.received == b"hello")
        await close(transport, protocol)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ([], {}, "host and port was not specified and no sock specified"),
        ([LOOPBACK, 1], {"sock": True}, "host/port and sock can not be specified"),
        ([LOOPBACK, 1], {"server_hostname": "x"}, "server_hostname is only meaningful with ssl"),
        (
            [LOOPBACK, 1],
            {"ssl_handshake_timeout": 1},
            "ssl_handshake_timeout is only meaningful with ssl",
        ),
    ],
    ids=["nothing", "host and sock", "server_hostname", "handshake time-out"],
)
async def test_create_connection_refuses(arguments, options, message):
    loop = asyncio.get_running_loop()

    with pytest.raises(ValueError, match=message):
        await loop.create_connection(RecordingProtocol, *arguments, **options)


async def test_create_connection_refuses_a_datagram_socket():
    with (
        socket.socket(type=socket.SOCK_DGRAM) as sock,
        pytest.raises(ValueError, match="A Stream Socket was expected"),
    ):
        await asyncio.get_running_loop().create_connection(RecordingProtocol, sock=sock)


async def test_connect_accepted_socket_takes_over_a_connection():
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener, socket.create_connection(listener.getsockname()) as client:
        client.setblocking(False)
        accepted, _ = listener.accept()
        transport, protocol = await loop.connect_accepted_socket(EchoProtocol, accepted)
        client.send(b"hello")
        assert await receive(client, 5) == b"hello"
        await close(transport, protocol)
        await turns(1)


async def test_connect_accepted_socket_refuses_a_datagram_socket():
    with (
        socket.socket(type=socket.SOCK_DGRAM) as sock,
        pytest.raises(ValueError, match="A Stream Socket was expected"),
    ):
        await asyncio.get_running_loop().connect_accepted_socket(RecordingProtocol, sock)


async def test_many_connections_at_once_all_get_their_answers():
    loop = asyncio.get_running_loop()

    async def ask(number):
        transport, protocol = await loop.create_connection(RecordingProtocol, *address_of(server))
        message = b"%05d" % number * 1000
        transport.write(message)
        await wait_until(lambda: len(protocol.received) == len(message))
        assert protocol.received == message
        await close(transport, protocol)

    async with serving(EchoProtocol, backlog=200) as server:
        await asyncio.gather(*(ask(number) for number in range(100)))
        await turns(3)
