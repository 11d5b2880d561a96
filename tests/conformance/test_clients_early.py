"""create_connection to a numeric address: what happens around the moment when it is connected."""

import asyncio
import contextlib
import errno
import socket

import pytest

from tests.support.protocols import RecordingProtocol
from tests.support.sockets import (
    needs_ipv6,
    receive,
    receive_until_eof,
    refused_address,
    tcp_listener,
)
from tests.support.waiting import turns, wait_until


@pytest.fixture(params=["127.0.0.1", "0.0.0.0"], ids=["connected at once", "in the background"])
def host(request):
    """Give an address of a loopback listener: one that tells so, and one that does not."""
    return request.param


@contextlib.contextmanager
def listener_v6():
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind(("::1", 0))
        listener.listen()
        yield listener


class Paused(RecordingProtocol):
    """Wants nothing yet."""

    def connection_made(self, transport):
        super().connection_made(transport)
        transport.pause_reading()


class Writing(RecordingProtocol):
    """Writes more than any kernel takes as soon as it can."""

    def connection_made(self, transport):
        super().connection_made(transport)
        transport.write(b"x" * 20_000_000)


async def test_what_came_before_connection_made_is_delivered_and_the_end_after_it(host):
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener:

        def factory():
            with contextlib.closing(listener.accept()[0]) as accepted:
                accepted.sendall(b"early")
            return RecordingProtocol()

        _, protocol = await loop.create_connection(factory, host, listener.getsockname()[1])
        await protocol.closed

    assert protocol.received == b"early"


async def test_what_came_before_is_kept_for_a_protocol_that_pauses_at_once(host):
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener, contextlib.ExitStack() as stack:

        def factory():
            accepted = stack.enter_context(listener.accept()[0])
            accepted.sendall(b"early")
            return Paused()

        transport, protocol = await loop.create_connection(factory, host, listener.getsockname()[1])
        await turns(5)
        before = bytes(protocol.received)
        transport.resume_reading()
        await wait_until(lambda: protocol.received)
        transport.close()
        await protocol.closed

    assert (before, protocol.received) == (b"", b"early")


async def test_connection_made_may_write_more_than_the_kernel_takes(host):
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener:
        transport, protocol = await loop.create_connection(Writing, host, listener.getsockname()[1])
        with listener.accept()[0] as accepted:
            accepted.setblocking(False)
            assert await receive(accepted, 20_000_000) == b"x" * 20_000_000
            transport.close()
            await protocol.closed


async def test_the_peer_is_whom_the_kernel_has_connected_to(host):
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener:
        port = listener.getsockname()[1]
        transport, protocol = await loop.create_connection(RecordingProtocol, host, port)

        assert transport.get_extra_info("peername") == ("127.0.0.1", port)
        transport.close()
        await protocol.closed


async def test_a_refused_connection_names_the_address(host):
    port = refused_address()[1]
    with pytest.raises(ConnectionRefusedError) as raised:
        await asyncio.get_running_loop().create_connection(RecordingProtocol, host, port)

    assert str(raised.value) == f"[Errno 111] Connect call failed {(host, port)}"


@needs_ipv6
async def test_a_connection_over_ipv6_has_addresses_of_four():
    loop = asyncio.get_running_loop()
    with listener_v6() as listener:
        host, port = listener.getsockname()[:2]
        transport, protocol = await loop.create_connection(RecordingProtocol, "0:0::1", port)
        sock = transport.get_extra_info("socket")

        with listener.accept()[0] as accepted:
            assert transport.get_extra_info("sockname") == accepted.getpeername()
        assert transport.get_extra_info("peername") == (host, port, 0, 0)
        assert sock.family == socket.AF_INET6
        assert (sock.type, sock.proto) == (socket.SOCK_STREAM, socket.IPPROTO_TCP)
        transport.close()
        await protocol.closed


@needs_ipv6
async def test_a_refused_connection_over_ipv6_names_the_address():
    port = refused_address()[1]
    with pytest.raises(ConnectionRefusedError) as raised:
        await asyncio.get_running_loop().create_connection(RecordingProtocol, "::1", port)

    assert str(raised.value) == f"[Errno 111] Connect call failed {('::1', port, 0, 0)}"


async def test_an_address_that_the_kernel_refuses_at_once_is_an_os_error():
    with pytest.raises(OSError, match="Network is unreachable") as raised:
        await asyncio.get_running_loop().create_connection(RecordingProtocol, "255.255.255.255", 9)

    assert raised.value.errno == errno.ENETUNREACH


@pytest.mark.parametrize("port", [-1, 65536, 10**30], ids=str)
async def test_a_port_out_of_range_is_refused(port):
    with pytest.raises((OverflowError, OSError)):
        await asyncio.get_running_loop().create_connection(RecordingProtocol, "127.0.0.1", port)


async def test_nagle_is_off_and_the_socket_does_not_block_and_is_not_inherited(host):
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener:
        transport, protocol = await loop.create_connection(
            RecordingProtocol, host, listener.getsockname()[1]
        )
        sock = transport.get_extra_info("socket")

        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.gettimeout() == 0
        assert not sock.get_inheritable()
        transport.close()
        await protocol.closed


async def test_a_connection_cancelled_between_connect_and_connection_made_is_closed(host):
    loop = asyncio.get_running_loop()
    made = []

    def factory():
        loop.call_soon(task.cancel)
        made.append(RecordingProtocol())
        return made[0]

    with tcp_listener() as listener:
        task = asyncio.ensure_future(
            loop.create_connection(factory, host, listener.getsockname()[1])
        )
        with pytest.raises(asyncio.CancelledError):
            await task
        await made[0].closed
        with listener.accept()[0] as accepted:
            accepted.setblocking(False)
            assert await receive_until_eof(accepted) == b""


async def test_the_error_of_a_task_that_was_cancelled_meanwhile_is_not_reported(host):
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(
        loop.create_connection(RecordingProtocol, host, refused_address()[1])
    )
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises((asyncio.CancelledError, ConnectionRefusedError)):
        await task
