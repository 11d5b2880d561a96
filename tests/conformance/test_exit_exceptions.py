"""Exceptions that are no Exception, raised by protocols: KeyboardInterrupt, SystemExit, others."""

import asyncio
import socket

import pytest

from tests.support.loops import is_stdlib
from tests.support.sockets import LOOPBACK, drain, tcp_pair
from tests.support.waiting import DEADLINE, turns, wait_until

EXITS = pytest.mark.parametrize("exit_class", [KeyboardInterrupt, SystemExit])


class OddException(BaseException):
    """An exception that is neither an Exception nor one that ends the run."""


def failing(base: type, method: str, exception: type[BaseException]) -> type:
    """Return a protocol class of which one method raises, the first time it is called."""
    called = []

    def fail(self, *args):
        if not called:
            called.append(1)
            raise exception
        return getattr(super(protocol_class, self), method)(*args)

    protocol_class = type("FailingProtocol", (base,), {method: fail})
    return protocol_class


class Quiet(asyncio.Protocol):
    """Keep the transport, and stay open after the end of stream."""

    def connection_made(self, transport):
        self.transport = transport

    def eof_received(self):
        return True


class QuietBuffered(asyncio.BufferedProtocol):
    """The same, with a buffer."""

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = bytearray(1000)

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        pass


def provoke_data(_transport, peer):
    peer.send(b"x")


def provoke_eof(_transport, peer):
    peer.shutdown(socket.SHUT_WR)


def provoke_close(transport, _peer):
    transport.close()


def provoke_pause(transport, _peer):
    transport.write(bytes(4_000_000))


def provoke_resume(transport, peer):
    transport.set_write_buffer_limits(high=10)
    transport.write(bytes(1_000_000))
    read_all(peer, 1_000_000)


def read_all(peer, left):
    """Read so many bytes from the peer, a piece in every turn of the loop."""
    left -= len(drain(peer))
    if left:
        asyncio.get_running_loop().call_soon(read_all, peer, left)


METHODS = pytest.mark.parametrize(
    ("base", "method", "provoke"),
    [
        pytest.param(base, method, provoke, id=method)
        for base, method, provoke in [
            (Quiet, "data_received", provoke_data),
            (Quiet, "eof_received", provoke_eof),
            (Quiet, "connection_lost", provoke_close),
            (Quiet, "pause_writing", provoke_pause),
            (Quiet, "resume_writing", provoke_resume),
            (QuietBuffered, "get_buffer", provoke_data),
            (QuietBuffered, "buffer_updated", provoke_data),
        ]
    ],
)


@EXITS
@METHODS
def test_an_exit_exception_of_a_protocol_ends_the_run(
    loop, exit_class, base, method, provoke, reports
):
    protocol_class = failing(base, method, exit_class)
    with tcp_pair() as (ours, peer):
        transport, _ = loop.run_until_complete(loop.create_connection(protocol_class, sock=ours))
        loop.call_soon(provoke, transport, peer)
        with pytest.raises(exit_class):
            loop.run_forever()

        assert not loop.is_running()
        assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"
        if ours.fileno() != -1:
            transport.abort()
        loop.run_until_complete(turns(2))
        assert ours.fileno() == -1
    if is_stdlib(loop) and method == "resume_writing":
        reports.clear()  # asyncio goes on to write, and then finds nothing to write


@EXITS
def test_an_exit_exception_of_connection_made_ends_the_run(loop, exit_class):
    protocol_class = failing(Quiet, "connection_made", exit_class)
    with tcp_pair() as (ours, _):
        connecting = loop.create_task(loop.create_connection(protocol_class, sock=ours))
        with pytest.raises(exit_class):
            loop.run_until_complete(connecting)

        transport, _ = loop.run_until_complete(connecting)
        transport.abort()
        loop.run_until_complete(turns(2))


@METHODS
def test_an_odd_exception_of_a_protocol_is_reported_and_ends_nothing_but_the_connection(
    loop, base, method, provoke, reports
):
    protocol_class = failing(base, method, OddException)
    with tcp_pair() as (ours, peer):
        transport, _ = loop.run_until_complete(loop.create_connection(protocol_class, sock=ours))
        loop.call_soon(provoke, transport, peer)
        loop.run_until_complete(wait_until(lambda: reports))

        assert [type(report["exception"]) for report in reports] == [OddException]
        reports.clear()
        assert loop.run_until_complete(asyncio.sleep(0, "goes on")) == "goes on"
        if ours.fileno() != -1:
            transport.abort()
        loop.run_until_complete(turns(2))


@EXITS
def test_other_connections_are_served_in_the_run_after_an_exit_exception(loop, exit_class):
    received = []

    class Protocol(Quiet):
        def data_received(self, data):
            received.append(data)

    protocol_class = failing(Protocol, "data_received", exit_class)
    with tcp_pair() as one, tcp_pair() as other:
        transports = []
        for ours, _ in (one, other):
            connecting = loop.create_connection(protocol_class, sock=ours)
            transports.append(loop.run_until_complete(connecting)[0])
        for _, peer in (one, other):
            peer.send(b"hello")
        with pytest.raises(exit_class):
            loop.run_forever()

        loop.run_until_complete(wait_until(lambda: received))
        assert received == [b"hello"]
        for transport in transports:
            transport.abort()
        loop.run_until_complete(turns(2))


def test_a_connection_lives_on_over_several_runs_of_the_loop(loop):
    transports = []

    class Protocol(Quiet):
        def connection_made(self, transport):
            super().connection_made(transport)
            transports.append(transport)

        def data_received(self, data):
            self.transport.write(data)
            loop.stop()

    server = loop.run_until_complete(loop.create_server(Protocol, LOOPBACK, 0))
    with socket.create_connection(server.sockets[0].getsockname()) as client:
        client.settimeout(DEADLINE)
        for number in range(5):
            client.send(b"%d" % number)
            loop.run_forever()
            assert client.recv(10) == b"%d" % number
    server.close()
    (transport,) = transports
    transport.abort()
    loop.run_until_complete(turns(2))
