"""What a stream transport tells about itself."""

import asyncio
import socket

from tests.support.sockets import receive_until_eof
from tests.support.streams import connected
from tests.support.waiting import turns


async def test_a_stream_transport_is_an_asyncio_transport():
    async with connected() as (transport, _, _):
        assert isinstance(transport, asyncio.Transport)
        assert isinstance(transport, asyncio.ReadTransport)
        assert isinstance(transport, asyncio.WriteTransport)
        assert isinstance(transport, asyncio.BaseTransport)
        assert isinstance(transport, asyncio.transports._FlowControlMixin)


async def test_sockname_and_peername_are_the_addresses_of_both_ends():
    async with connected() as (transport, _, peer):
        assert transport.get_extra_info("sockname") == peer.getpeername()
        assert transport.get_extra_info("peername") == peer.getsockname()


async def test_sockname_and_peername_are_known_after_the_end():
    async with connected() as (transport, protocol, peer):
        ends = peer.getpeername(), peer.getsockname()
        transport.close()
        await protocol.closed
        await turns(2)

        assert transport.get_extra_info("sockname") == ends[0]
        assert transport.get_extra_info("peername") == ends[1]


async def test_unknown_information_is_none_or_the_given_default():
    async with connected() as (transport, _, _):
        assert transport.get_extra_info("no such thing") is None
        assert transport.get_extra_info("no such thing", "default") == "default"
        assert transport.get_extra_info("sslcontext") is None


async def test_the_socket_is_a_transport_socket():
    async with connected() as (transport, _, peer):
        sock = transport.get_extra_info("socket")

        assert isinstance(sock, asyncio.trsock.TransportSocket)
        assert sock.family == socket.AF_INET
        assert sock.type == socket.SOCK_STREAM
        assert sock.getsockname() == peer.getpeername()
        assert sock.getpeername() == peer.getsockname()
        assert sock.fileno() > 0
        assert sock.gettimeout() == 0


async def test_socket_options_can_be_read_and_set():
    async with connected() as (transport, _, _):
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


async def test_the_socket_can_be_duplicated():
    async with connected() as (transport, _, peer):
        with transport.get_extra_info("socket").dup() as duplicate:
            duplicate.setblocking(True)
            peer.send(b"x")
            assert duplicate.getpeername() == peer.getsockname()


async def test_the_connection_lives_on_in_a_duplicate_when_the_transport_is_closed():
    async with connected() as (transport, protocol, peer):
        with transport.get_extra_info("socket").dup() as duplicate:
            transport.close()
            await protocol.closed
            await turns(2)
            duplicate.send(b"still here")
            peer.setblocking(True)
            assert peer.recv(100) == b"still here"


async def test_nagles_algorithm_is_off():
    async with connected() as (transport, _, _):
        sock = transport.get_extra_info("socket")

        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_attributes_can_be_set_on_a_transport():
    async with connected() as (transport, _, _):
        transport.some_attribute = "value"
        assert transport.some_attribute == "value"


async def test_write_can_be_replaced_on_a_transport():
    async with connected() as (transport, _, _):
        seen = []
        transport.write = seen.append
        transport.write(b"x")
        assert seen == [b"x"]


async def test_repr_tells_the_file_descriptor():
    async with connected() as (transport, _, _):
        fd = transport.get_extra_info("socket").fileno()
        assert f"fd={fd}" in repr(transport)


async def test_the_loop_of_a_transport_is_known_to_the_standard_library():
    async with connected() as (transport, _, _):
        assert transport._loop is asyncio.get_running_loop()
        assert transport._start_tls_compatible is True


async def test_the_socket_can_be_shut_down():
    async with connected() as (transport, _, peer):
        transport.get_extra_info("socket").shutdown(socket.SHUT_WR)

        assert await receive_until_eof(peer) == b""


async def test_the_names_that_packages_use_are_there():
    async with connected() as (transport, protocol, peer):
        assert transport._sock.getpeername() == peer.getsockname()
        assert transport._sock_fd == transport._sock.fileno()
        assert transport.get_extra_info("socket")._sock is transport._sock
        assert transport._protocol is protocol
        assert transport._extra["peername"] == peer.getsockname()
        assert len(transport._buffer) == 0
        assert not transport._closing

        transport.set_write_buffer_limits(1 << 30)
        transport.write(bytes(10_000_000))

        assert len(transport._buffer) > 0
