"""SocketTransport: life, lifetimes and what is left behind."""

import asyncio
import gc
import os
import socket
import sys
import weakref

import pytest

from ngxloop import EventLoop
from tests.core.conftest import make_loop
from tests.probes.reactor import ReactorProbe
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import receive_until_eof, unix_pair
from tests.support.streams import address_of, connected, serving
from tests.support.waiting import turns, wait_until
from tests.transports.unclosed import drop_and_expect_warning


class Keeping(asyncio.Protocol):
    """A protocol that knows its transport, as nearly all do."""

    def __init__(self) -> None:
        self.transport = None
        self.lost = False

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, exc):
        self.lost = True
        self.transport = None


class Cyclic(Keeping):
    """A protocol that keeps its transport for ever: a cycle if the transport kept it, too."""

    def connection_lost(self, exc):
        self.lost = True


def connect(loop: EventLoop, factory, sock: socket.socket):
    return loop.run_until_complete(loop.create_connection(factory, sock=sock))


def run_until_lost(loop: EventLoop, protocol: Keeping) -> None:
    loop.run_until_complete(wait_until(lambda: protocol.lost))


@pytest.fixture
def no_collector():
    """Let nothing but reference counts free objects."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("factory", [Keeping, Cyclic])
@pytest.mark.parametrize("end", ["close", "abort"])
def test_transport_and_protocol_are_freed_once_lost(no_collector, loop, factory, end):
    with unix_pair() as (ours, _):
        transport, protocol = connect(loop, factory, ours)
        alive = [weakref.ref(transport), weakref.ref(protocol)]
        getattr(transport, end)()
        run_until_lost(loop, protocol)

        del transport, protocol

        assert [ref() for ref in alive] == [None, None]


def test_transport_and_protocol_are_freed_after_the_peer_closed(no_collector, loop):
    with unix_pair() as (ours, peer):
        transport, protocol = connect(loop, Cyclic, ours)
        alive = [weakref.ref(transport), weakref.ref(protocol)]
        del transport
        peer.close()
        run_until_lost(loop, protocol)

        del protocol

        assert [ref() for ref in alive] == [None, None]


def test_accepted_transport_nobody_keeps_stays_open_and_is_freed_once_lost(no_collector, loop):
    made = []

    class Forgetful(asyncio.Protocol):
        def connection_made(self, transport):
            made.append(weakref.ref(transport))
            made.append(weakref.ref(self))

    async def main():
        async with serving(Forgetful) as server:
            with socket.create_connection(address_of(server)):
                await wait_until(lambda: made)
                await turns(3)
                assert None not in [ref() for ref in made]
            await wait_until(lambda: [ref() for ref in made] == [None, None])

    loop.run_until_complete(main())


def test_transport_in_a_cycle_of_the_user_is_collected(loop):
    with unix_pair() as (ours, _):
        transport, protocol = connect(loop, Keeping, ours)
        transport.me = transport  # transports take attributes
        alive = weakref.ref(transport)
        transport.abort()
        run_until_lost(loop, protocol)

        del transport
        gc.collect()

        assert alive() is None


def test_context_and_extra_are_freed_with_the_transport(no_collector, loop):
    class Extra:
        """Something that a weak reference may point to."""

    async def main():
        extra = Extra()
        alive = weakref.ref(extra)
        with unix_pair() as (ours, _):
            protocol = Keeping()
            loop._make_socket_transport(ours, protocol, extra={"extra": extra})
            del extra
            await turns(2)
            assert protocol.transport.get_extra_info("extra") is alive()
            protocol.transport.abort()
            await turns(2)
        return alive

    assert loop.run_until_complete(main())() is None


def test_protocol_references_return_to_the_start(loop):
    protocol = Keeping()
    before = sys.getrefcount(protocol)

    with unix_pair() as (ours, peer):
        connect(loop, lambda: protocol, ours)
        protocol.transport.write(b"x")
        peer.send(b"y")
        loop.run_until_complete(turns(3))
        protocol.transport.close()
        run_until_lost(loop, protocol)

    assert sys.getrefcount(protocol) == before


class Noting(asyncio.Protocol):
    """Tell a list of each connection, and keep nothing."""

    def __init__(self, made: list) -> None:
        self.made = made

    def connection_made(self, transport):
        self.made.append(transport._sock_fd)


def test_loop_closed_with_open_transport_warns_and_closes_the_socket():
    loop = make_loop()
    with unix_pair() as (ours, peer):
        kept = [connect(loop, Cyclic, ours)]

        loop.close()
        drop_and_expect_warning(kept)

        assert peer.recv(1) == b""


def test_loop_closed_with_accepted_transport_warns_and_closes_the_socket():
    loop = make_loop()
    made = []

    async def main():
        server = await loop.create_server(lambda: Noting(made), "127.0.0.1", 0)
        peer = socket.create_connection(address_of(server))
        await wait_until(lambda: made)
        server.close()
        return peer

    with loop.run_until_complete(main()) as peer:
        with pytest.warns(ResourceWarning, match="unclosed transport <ngxloop.StreamTransport"):
            loop.close()  # nobody but the loop knows the transport

        assert peer.recv(1) == b""


def test_loop_closed_with_open_transport_frees_everything():
    loop = make_loop()
    with unix_pair() as (ours, _):
        kept = [*connect(loop, Cyclic, ours), loop]
        kept[0].write(bytes(10_000_000))
        alive = [weakref.ref(each) for each in kept]

        loop.close()
        del loop
        drop_and_expect_warning(kept)
        gc.collect()  # from 3.15 on, what was warned of is freed by the next collection

        assert [ref() for ref in alive] == [None, None, None]


def test_unclosed_transport_closes_its_fd_where_warnings_are_errors(monkeypatch):
    raised = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: raised.append(args.exc_type))
    loop = make_loop()
    fds = []

    async def main():
        server = await loop.create_server(lambda: Noting(fds), "127.0.0.1", 0)
        with socket.create_connection(address_of(server)):
            await wait_until(lambda: fds)
        server.close()

    loop.run_until_complete(main())
    loop.close()

    assert raised == [ResourceWarning]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fds[0])


def test_slot_is_given_back_and_used_again(loop, probe):
    indices = []
    for _ in range(3):
        with unix_pair() as (ours, _):
            fd = ours.fileno()
            transport, protocol = connect(loop, Keeping, ours)
            indices.append(probe.slot(fd).index)
            transport.abort()
            run_until_lost(loop, protocol)
            assert probe.used_count == 0

    assert len(set(indices)) == 1


def test_socket_closed_by_its_user_before_the_start_is_lost(loop):
    async def main():
        with unix_pair() as (ours, _):
            protocol = RecordingProtocol()
            loop._make_socket_transport(ours, protocol)
            ours.close()
            await protocol.closed
        return protocol

    protocol = loop.run_until_complete(main())

    assert protocol.calls == ["connection_made", "connection_lost"]
    assert isinstance(protocol.lost_with, OSError)


def test_socket_closed_by_its_user_leaves_a_reused_fd_alone(loop):
    async def main():
        with unix_pair() as (ours, _):
            transport, protocol = await loop.create_connection(RecordingProtocol, sock=ours)
            fd = ours.fileno()
            ours.close()
            with open("/dev/null") as other:
                assert other.fileno() == fd
                transport.abort()
                await protocol.closed
                os.fstat(fd)

    loop.run_until_complete(main())


async def test_socket_with_a_duplicate_is_no_longer_watched_once_lost():
    probe = ReactorProbe(asyncio.get_running_loop())
    async with connected(pair=unix_pair) as (transport, protocol, _):
        fd = str(transport._sock_fd)
        with transport.get_extra_info("socket").dup():
            before = watched_fds(probe.epoll_fd)
            transport.abort()
            await protocol.closed

            assert fd in before
            assert fd not in watched_fds(probe.epoll_fd)


def watched_fds(epoll_fd: int) -> set[str]:
    """Return the numbers of all fds that an epoll instance watches."""
    with open(f"/proc/self/fdinfo/{epoll_fd}") as info:
        return {line.split()[1] for line in info if line.startswith("tfd:")}


def test_connection_lost_that_closes_a_loop_stepped_by_hand_is_survived():
    loop = make_loop()

    class Closing(Keeping):
        def connection_lost(self, exc):
            loop.close()

    with unix_pair() as (ours, peer):
        transport, _ = connect(loop, Closing, ours)
        transport.abort()

        loop._run_once()

        assert loop.is_closed()
        assert peer.recv(1) == b""


def test_get_buffer_that_closes_a_loop_stepped_by_hand_is_survived():
    loop = make_loop()

    class Closing(asyncio.BufferedProtocol):
        def get_buffer(self, sizehint):
            loop.close()
            return bytearray(10)

    with unix_pair() as (ours, peer):
        transport, _ = connect(loop, Closing, ours)
        peer.send(b"x")

        while not loop.is_closed():
            loop._run_once()

        with pytest.warns(ResourceWarning, match="unclosed transport"):
            del transport


async def test_addresses_are_known_before_and_after_close():
    async with serving(RecordingProtocol) as server:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(RecordingProtocol, *address_of(server))
        sock = transport.get_extra_info("socket")
        before = (transport.get_extra_info("sockname"), transport.get_extra_info("peername"))

        transport.close()
        await protocol.closed

        after = (transport.get_extra_info("sockname"), transport.get_extra_info("peername"))
        assert before == after
        assert before[1] == address_of(server)
        assert sock.fileno() == -1


async def test_close_sends_what_is_written_first():
    async with connected() as (transport, protocol, peer):
        transport.write(b"last words")
        transport.close()

        assert await receive_until_eof(peer) == b"last words"
        await protocol.closed
