"""Datagram endpoints: errors, empty and large datagrams, addresses of every family, limits."""

import asyncio
import contextlib
import socket
import sys

import pytest

from tests.support.addresses import free_address
from tests.support.loops import is_stdlib
from tests.support.sockets import LOOPBACK
from tests.support.waiting import turns, wait_until


class Recorder(asyncio.DatagramProtocol):
    """Record what an endpoint is told."""

    def __init__(self):
        self.received = []
        self.errors = []
        self.calls = []
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.received.append((data, addr))

    def error_received(self, exc):
        self.errors.append(exc)

    def pause_writing(self):
        self.calls.append("pause_writing")

    def resume_writing(self):
        self.calls.append("resume_writing")

    def connection_lost(self, exc):
        self.closed.set_result(exc)


@contextlib.asynccontextmanager
async def endpoint(factory=Recorder, **options):
    """Give a transport and its protocol; it is closed at the end."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(factory, **options)
    try:
        yield transport, protocol
    finally:
        await end(transport, protocol)


async def end(transport, protocol):
    if not protocol.closed.done():
        transport.abort()
    await protocol.closed


def bound(*, family=socket.AF_INET, address=(LOOPBACK, 0)):
    return endpoint(local_addr=address, family=family)


async def test_a_datagram_transport_is_an_asyncio_datagram_transport():
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info < (3, 12):
        pytest.skip("asyncio's is one since 3.12")
    async with bound() as (transport, _):
        assert isinstance(transport, asyncio.DatagramTransport)
        assert isinstance(transport, asyncio.BaseTransport)


async def test_datagrams_keep_their_bounds_and_their_sender():
    async with bound() as (one, ours), bound() as (other, theirs):
        address = other.get_extra_info("sockname")
        for data in (b"first", b"x" * 9000, b"third"):
            one.sendto(data, address)
        await wait_until(lambda: len(theirs.received) == 3)
        other.sendto(b"answer", theirs.received[0][1])
        await wait_until(lambda: ours.received)

    assert [data for data, _ in theirs.received] == [b"first", b"x" * 9000, b"third"]
    assert ours.received == [(b"answer", address)]


async def test_an_empty_datagram():
    async with bound() as (one, _), bound() as (other, theirs):
        address = other.get_extra_info("sockname")
        one.sendto(b"", address)
        one.sendto(b"behind", address)
        await wait_until(lambda: theirs.received and theirs.received[-1][0] == b"behind")

    expected = [b"", b"behind"] if sys.version_info >= (3, 13) else [b"behind"]
    assert [data for data, _ in theirs.received] == expected


async def test_an_empty_datagram_of_somebody_else_arrives():
    async with bound() as (transport, protocol):
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", transport.get_extra_info("sockname"))
        await wait_until(lambda: protocol.received)

    assert protocol.received[0][0] == b""


async def test_sendto_of_a_connected_endpoint_refuses_another_address():
    async with bound() as (other, theirs):
        address = other.get_extra_info("sockname")
        async with endpoint(remote_addr=address) as (transport, _):
            message = r"^Invalid address: must be None or "
            with pytest.raises(ValueError, match=message):
                transport.sendto(b"x", (LOOPBACK, 1))
            transport.sendto(b"without")
            transport.sendto(b"with", address)
            await wait_until(lambda: len(theirs.received) == 2)

    assert [data for data, _ in theirs.received] == [b"without", b"with"]


@pytest.mark.parametrize("data", ["text", None, 5], ids=repr)
async def test_sendto_refuses_what_is_not_bytes_like(data):
    async with bound() as (transport, _):
        with pytest.raises(TypeError, match="data"):
            transport.sendto(data, transport.get_extra_info("sockname"))


async def test_an_icmp_error_is_told_to_error_received_and_closes_nothing():
    address = free_address(socket.SOCK_DGRAM)
    async with endpoint(remote_addr=address) as (transport, protocol):
        transport.sendto(b"to nobody")
        await wait_until(lambda: protocol.errors)
        assert not transport.is_closing()

        with socket.socket(type=socket.SOCK_DGRAM) as back:
            back.bind(address)
            back.setblocking(False)
            transport.sendto(b"to somebody")
            await turns(5)
            back.sendto(b"answer", transport.get_extra_info("sockname"))
            await wait_until(lambda: protocol.received)

    assert isinstance(protocol.errors[0], ConnectionRefusedError)
    assert protocol.received == [(b"answer", address)]


async def test_a_datagram_that_is_too_large_is_told_to_error_received():
    async with bound() as (transport, protocol):
        address = transport.get_extra_info("sockname")
        transport.sendto(bytes(70_000), address)
        transport.sendto(b"fits", address)
        await wait_until(lambda: protocol.received)

    assert [type(exc) for exc in protocol.errors] == [OSError]
    assert protocol.received == [(b"fits", address)]


async def test_an_exception_of_datagram_received_is_reported_and_closes_nothing(reports):
    class Raising(Recorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if data == b"raise":
                raise LookupError("by the test")

    async with endpoint(Raising, local_addr=(LOOPBACK, 0)) as (transport, protocol):
        address = transport.get_extra_info("sockname")
        transport.sendto(b"raise", address)
        await wait_until(lambda: reports)
        transport.sendto(b"again", address)
        await wait_until(lambda: len(protocol.received) == 2)

    assert isinstance(reports.pop()["exception"], LookupError)


def unix_endpoints(tmp_path):
    """Return two bound endpoints whose kernels' buffers are soon full, for nobody reads one."""
    return str(tmp_path / "sender"), str(tmp_path / "receiver")


async def test_unix_endpoints_have_strings_for_addresses(tmp_path):
    one_path, other_path = unix_endpoints(tmp_path)
    async with (
        bound(family=socket.AF_UNIX, address=one_path) as (one, ours),
        bound(family=socket.AF_UNIX, address=other_path) as (other, theirs),
    ):
        one.sendto(b"question", other_path)
        await wait_until(lambda: theirs.received)
        other.sendto(b"answer", theirs.received[0][1])
        await wait_until(lambda: ours.received)
        assert one.get_extra_info("sockname") == one_path

    assert theirs.received == [(b"question", one_path)]
    assert ours.received == [(b"answer", other_path)]


@contextlib.asynccontextmanager
async def stuck_endpoint(tmp_path):
    """Give an endpoint whose datagrams wait, and the socket that does not read them yet."""
    _, path = unix_endpoints(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(path)
        reader.setblocking(False)
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.connect(path)
        transport, protocol = await loop.create_datagram_endpoint(Recorder, sock=sock)
        try:
            for _ in range(10_000):
                transport.sendto(b"fill")
                if transport.get_write_buffer_size():
                    break
            assert transport.get_write_buffer_size()
            yield transport, protocol, reader
        finally:
            await end(transport, protocol)


async def test_each_datagram_that_waits_counts_as_its_length_and_8(tmp_path):
    header = 8 if sys.version_info >= (3, 13) else 0
    async with stuck_endpoint(tmp_path) as (transport, _, _):
        before = transport.get_write_buffer_size()
        transport.sendto(b"x" * 10)

        assert before == len(b"fill") + header
        assert transport.get_write_buffer_size() - before == 10 + header


async def test_a_bytearray_may_be_changed_after_sendto(tmp_path):
    async with stuck_endpoint(tmp_path) as (transport, _, reader):
        data = bytearray(b"original")
        transport.sendto(data)
        data[:] = b"modified"
        received = []

        def has_last():
            with contextlib.suppress(BlockingIOError):
                while True:
                    received.append(reader.recv(100))
            return received[-1:] != [b"fill"]

        await wait_until(has_last)

    assert received[-1] == b"original"


async def test_a_datagram_endpoint_has_write_limits(tmp_path):
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info[:2] == (3, 13):
        pytest.skip("asyncio of Python 3.13 forgets the 8 bytes once a datagram is sent")
    async with stuck_endpoint(tmp_path) as (transport, protocol, reader):
        transport.set_write_buffer_limits(high=100, low=10)
        assert protocol.calls == []
        while transport.get_write_buffer_size() <= 100:
            assert protocol.calls == []
            transport.sendto(b"x" * 20)
        assert protocol.calls == ["pause_writing"]

        def resumed():
            with contextlib.suppress(BlockingIOError):
                reader.recv(100)
            return len(protocol.calls) > 1

        await wait_until(resumed)

    assert protocol.calls == ["pause_writing", "resume_writing"]


async def test_close_sends_the_datagrams_that_wait(tmp_path):
    async with stuck_endpoint(tmp_path) as (transport, protocol, reader):
        transport.sendto(b"last")
        transport.close()
        received = []

        def has_last():
            with contextlib.suppress(BlockingIOError):
                received.append(reader.recv(100))
            return received[-1:] == [b"last"]

        await wait_until(has_last)
        assert await protocol.closed is None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "unexpected address family"),
        ({"local_addr": LOOPBACK}, TypeError, "2-tuple is expected"),
        ({"local_addr": (LOOPBACK, 0), "reuse_address": True}, TypeError, "reuse_address"),
        ({"local_addr": "/x", "remote_addr": 5, "family": socket.AF_UNIX}, TypeError, "string"),
    ],
    ids=["nothing", "no tuple", "reuse_address", "unix"],
)
async def test_the_options_of_an_endpoint_that_make_no_sense_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        await asyncio.get_running_loop().create_datagram_endpoint(Recorder, **options)


async def test_a_stream_socket_is_refused():
    with socket.socket() as sock, pytest.raises(ValueError, match=r"[Ss]ocket was expected"):
        await asyncio.get_running_loop().create_datagram_endpoint(Recorder, sock=sock)


async def test_options_of_the_socket_pass_through():
    async with endpoint(local_addr=(LOOPBACK, 0), allow_broadcast=True, reuse_port=True) as (
        transport,
        _,
    ):
        sock = transport.get_extra_info("socket")

        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1
