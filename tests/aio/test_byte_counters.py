"""stats(): what each kind of transport counts as received and sent."""

import asyncio
from typing import NamedTuple

import pytest

from tests.support import pipes
from tests.support.datagrams import EchoEndpoint, endpoint, udp_socket
from tests.support.tls import tls_connection
from tests.support.waiting import wait_until


class Bytes(NamedTuple):
    """The two counters."""

    received: int
    sent: int


def counted() -> Bytes:
    stats = asyncio.get_running_loop().stats()
    return Bytes(stats.received_bytes, stats.sent_bytes)


def grown(before: Bytes) -> Bytes:
    """Return by how much the counters have grown."""
    now = counted()
    return Bytes(now.received - before.received, now.sent - before.sent)


async def test_bytes_of_pipes_are_counted():
    with pipes.pipe() as (read_end, write_end):
        _, reading = await pipes.connect_reader(read_end)
        writer, writing = await pipes.connect_writer(write_end)
        before = counted()

        writer.write(bytes(200_000))  # more than a pipe holds
        writer.close()
        await reading.closed
        await writing.closed

    assert grown(before) == (200_000, 200_000)


async def test_what_a_pipe_has_not_taken_is_not_counted():
    with pipes.pipe() as (_, write_end):
        transport, protocol = await pipes.connect_writer(write_end)
        before = counted()

        transport.write(bytes(1_000_000))
        waiting = transport.get_write_buffer_size()
        transport.abort()
        await protocol.closed

    assert 0 < waiting < 1_000_000
    assert grown(before) == (0, 1_000_000 - waiting)


@pytest.mark.parametrize("count", [1, 200], ids=["alone", "in_bursts"])
async def test_bytes_of_datagrams_are_counted_both_ways(count):
    async with endpoint(EchoEndpoint) as (_, protocol, address):
        with udp_socket() as peer:
            before = counted()
            for _ in range(count):
                peer.sendto(bytes(50), address)
            await wait_until(lambda: len(protocol.received) == count)

    assert grown(before) == (50 * count, 50 * count)


async def test_a_datagram_whose_address_the_socket_module_resolves_is_counted():
    async with endpoint() as (transport, _, _):
        with udp_socket() as peer:
            before = counted()
            transport.sendto(b"hello", ("localhost", peer.getsockname()[1]))

            assert peer.recv(100) == b"hello"
            assert grown(before) == (0, 5)


async def test_a_datagram_that_is_refused_is_not_counted():
    async with endpoint() as (transport, protocol, address):
        before = counted()
        transport.sendto(bytes(70_000), address)

        assert len(protocol.errors) == 1
        assert grown(before) == (0, 0)


async def test_tls_counts_what_goes_over_the_wire():
    async with tls_connection() as (transport, protocol, server_side):
        before = counted()
        transport.write(bytes(10_000))
        await wait_until(lambda: len(protocol.received) == 10_000)
        growth = grown(before)

    # There and back again, and all that was sent was received: both ends are this loop's.
    assert len(server_side.received) == 10_000
    assert 20_000 < growth.sent < 22_000
    assert growth.received >= growth.sent
