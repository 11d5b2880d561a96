"""Slots of the pool that change hands: nothing of the former user reaches the next one."""

import asyncio
import os
import socket

from tests.probes.reactor import ReactorProbe
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import unix_pair
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until


async def test_slot_freed_and_taken_in_one_turn_is_clean_for_its_new_user():
    loop = asyncio.get_running_loop()
    probe = ReactorProbe(loop)
    successors = []

    class Handing(RecordingProtocol):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            loop.call_soon(self.open_successor)

        def open_successor(self):
            successors.append(loop._make_socket_transport(successor_ours, RecordingProtocol()))

    with unix_pair() as (successor_ours, successor_peer):
        async with connected(Handing, unix_pair) as (transport, protocol, peer):
            index = probe.slot(transport._sock_fd).index
            # the kernel reports an event for the slot in the turn in which it changes hands
            transport.abort()
            peer.send(b"for the former user")
            await protocol.closed
            await turns(1)
            assert probe.slot(successor_ours.fileno()).index == index
            successor_peer.send(b"for the new user")
            await turns(2)
        successor = successors[0].get_protocol()
        assert successor.received == b"for the new user"
        successors[0].abort()
        await successor.closed


async def test_registration_that_outlives_its_transport_disturbs_nobody():
    # a duplicate keeps the registration alive, whose fd is gone: a forked child does the same
    loop = asyncio.get_running_loop()
    probe = ReactorProbe(loop)
    made = []

    def factory():
        made.append(RecordingProtocol())
        return made[-1]

    server = await loop.create_server(factory, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    with socket.create_connection(address) as first_peer:
        await wait_until(lambda: made)
        slot = probe.slot(made[0].transport._sock_fd)
        duplicate = os.dup(made[0].transport._sock_fd)
        made[0].transport.abort()
        await made[0].closed
        with socket.create_connection(address):
            await wait_until(lambda: len(made) == 2)
            await made[1].connected
            fd = made[1].transport._sock_fd
            assert probe.slot(fd).index == slot.index  # the slot has a new user

            first_peer.send(b"for the former user")
            await turns(3)

            assert made[1].calls == ["connection_made"]
            assert not probe.slot(fd).read.ready
            made[1].transport.abort()
            await made[1].closed
    os.close(duplicate)
    server.close()
    await server.wait_closed()
