"""Datagram endpoints: what they send, where to, and what happens when it cannot be sent."""

import contextlib
import logging
import socket
import sys

import pytest

from tests.support.datagrams import (
    EchoEndpoint,
    RecordingEndpoint,
    endpoint,
    receive_all,
    udp_socket,
    unix_datagram_pair,
)
from tests.support.loops import is_stdlib
from tests.support.sockets import LOOPBACK
from tests.support.waiting import turns, wait_until

SENDS_EMPTY = sys.version_info >= (3, 13)

# More than one call of the kernel takes.
MANY = 100

# No datagram may be as large.
TOO_LARGE = bytes(70_000)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_every_kind_of_buffer_is_sent(kind):
    async with endpoint() as (transport, _, _):
        with udp_socket() as peer:
            transport.sendto(kind(b"hello"), peer.getsockname())
            assert peer.recv(100) == b"hello"


@pytest.mark.parametrize("data", ["text", None, 5, [b"list"]], ids=repr)
async def test_what_is_no_buffer_is_refused(data):
    async with endpoint() as (transport, _, address):
        message = f"^data argument must be a bytes-like object, not '{type(data).__name__}'$"
        with pytest.raises(TypeError, match=message):
            transport.sendto(data, address)
        assert not transport.is_closing()


async def test_an_empty_datagram_is_sent_since_3_13():
    async with endpoint() as (transport, _, _):
        with udp_socket() as peer:
            transport.sendto(b"", peer.getsockname())
            transport.sendto(bytearray(), peer.getsockname())
            transport.sendto(b"last", peer.getsockname())
            expected = [b"", b"", b"last"] if SENDS_EMPTY else [b"last"]
            await turns(2)
            assert [peer.recv(100) for _ in expected] == expected


async def test_a_single_datagram_leaves_at_once():
    async with endpoint() as (transport, _, _):
        with udp_socket() as peer:
            await turns(1)
            transport.sendto(b"hello", peer.getsockname())
            assert peer.recv(100) == b"hello"
            assert transport.get_write_buffer_size() == 0


async def test_many_datagrams_of_one_turn_keep_their_order_and_places():
    async with endpoint() as (transport, _, _):
        with udp_socket() as one, udp_socket() as two, udp_socket() as three:
            places = (one, two, two, two, three)
            for number in range(MANY):
                transport.sendto(b"%d" % number, places[number % 5].getsockname())
            expected = [b"%d" % number for number in range(MANY)]
            await turns(2)
            assert [places[number % 5].recv(100) for number in range(MANY)] == expected


async def test_a_mutable_buffer_may_change_after_the_call():
    async with endpoint() as (transport, _, _):
        with udp_socket() as peer:
            data = bytearray(b"0")
            for number in range(10):
                data[0] = ord("0") + number
                transport.sendto(data, peer.getsockname())
            data[0] = ord("x")
            await turns(2)
            assert [peer.recv(100) for _ in range(10)] == [b"%d" % i for i in range(10)]


async def test_an_answer_to_every_datagram_of_a_burst_goes_to_its_sender():
    async with endpoint(EchoEndpoint) as (_, protocol, address):
        with udp_socket() as one, udp_socket() as two:
            for number in range(MANY):
                (one, two)[number % 2].sendto(b"%d" % number, address)
            await wait_until(lambda: len(protocol.received) == MANY, "all datagrams")
            await turns(2)
            for number in range(MANY):
                assert (one, two)[number % 2].recv(100) == b"%d" % number


async def test_each_of_very_many_senders_gets_its_own_answer():
    async with endpoint(EchoEndpoint) as (_, protocol, address):
        with contextlib.ExitStack() as stack:
            peers = [stack.enter_context(udp_socket()) for _ in range(400)]
            for turn in range(2):
                for number, peer in enumerate(peers):
                    peer.sendto(b"%d %d" % (turn, number), address)
                    if number % 50 == 49:
                        seen = turn * len(peers) + number + 1
                        await wait_until(lambda: len(protocol.received) >= seen)  # noqa: B023
                await turns(2)
                for number, peer in enumerate(peers):
                    assert peer.recv(100) == b"%d %d" % (turn, number)
            senders = [sender for _, sender in protocol.received]
            assert senders == [peer.getsockname() for peer in peers] * 2


async def test_a_datagram_that_is_too_large_goes_to_error_received_alone():
    async with endpoint() as (transport, protocol, _):
        with udp_socket() as peer:
            await turns(1)
            transport.sendto(TOO_LARGE, peer.getsockname())
            assert [error.errno for error in protocol.errors] == [90]  # EMSGSIZE, in the call
            transport.sendto(b"fine", peer.getsockname())
            await turns(2)
            assert peer.recv(100) == b"fine"
            assert not transport.is_closing()


async def test_bad_datagrams_in_the_middle_of_a_burst_lose_no_others():
    async with endpoint() as (transport, protocol, _):
        with udp_socket() as peer:
            expected = []
            for number in range(MANY):
                data = b"%d" % number if number % 7 else TOO_LARGE
                transport.sendto(data, peer.getsockname())
                if number % 7:
                    expected.append(data)
            await turns(2)
            assert [peer.recv(100) for _ in expected] == expected
            assert len(protocol.errors) == MANY - len(expected)
            assert {error.errno for error in protocol.errors} == {90}
            assert transport.get_write_buffer_size() == 0


async def test_error_received_may_send_again_and_again():
    class Insisting(RecordingEndpoint):
        def error_received(self, exc):
            super().error_received(exc)
            if len(self.errors) < 20:
                self.transport.sendto(TOO_LARGE, target)

    with udp_socket() as peer:
        target = peer.getsockname()
        async with endpoint(Insisting) as (transport, protocol, _):
            for _ in range(3):
                transport.sendto(TOO_LARGE, target)
            await wait_until(lambda: len(protocol.errors) >= 20, "the errors")
            assert not transport.is_closing()
            await turns(3)


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_error_received_may_end_it(end):
    class Ending(RecordingEndpoint):
        def error_received(self, exc):
            super().error_received(exc)
            getattr(self.transport, end)()

    with udp_socket() as peer:
        async with endpoint(Ending) as (transport, protocol, _):
            transport.sendto(b"first", peer.getsockname())
            for _ in range(3):
                transport.sendto(TOO_LARGE, peer.getsockname())
            await protocol.closed
            assert protocol.calls[-1] == "connection_lost"
            assert protocol.lost_with is None
            assert peer.recv(100) == b"first"


async def test_an_exception_in_error_received_is_raised_by_sendto_and_closes_nothing():
    class Failing(RecordingEndpoint):
        def error_received(self, exc):
            super().error_received(exc)
            raise ZeroDivisionError

    async with endpoint(Failing) as (transport, protocol, address):
        with pytest.raises(ZeroDivisionError):
            transport.sendto(TOO_LARGE, address)
        transport.sendto(b"next", address)
        await wait_until(lambda: protocol.data == [b"next"])


async def test_broadcast_is_allowed_on_demand():
    with udp_socket() as peer:
        port = peer.getsockname()[1]
        async with endpoint(local_addr=(LOOPBACK, 0), allow_broadcast=True) as (transport, _, _):
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
        async with endpoint() as (transport, protocol, _):
            transport.sendto(b"forbidden", ("255.255.255.255", port))
            await wait_until(lambda: protocol.errors, "the error")
            assert isinstance(protocol.errors[0], PermissionError)


async def test_allow_broadcast_with_a_remote_address_does_not_connect():
    with udp_socket() as peer:
        remote = peer.getsockname()
        async with endpoint(remote_addr=remote, allow_broadcast=True) as (transport, _, _):
            assert transport.get_extra_info("peername") is None
            transport.sendto(b"hello")
            transport.sendto(b"hello", remote)
            with pytest.raises(ValueError, match="Invalid address: must be None or"):
                transport.sendto(b"elsewhere", (LOOPBACK, 1))
            await turns(2)
            assert [peer.recv(100) for _ in range(2)] == [b"hello"] * 2


async def test_ports_can_be_shared():
    async with (
        endpoint(local_addr=(LOOPBACK, 0), reuse_port=True) as (_, _, address),
        endpoint(local_addr=address, reuse_port=True) as (_, _, second),
    ):
        assert second == address


async def test_multicast_options_pass_through():
    group, interface = "239.255.13.37", socket.inet_aton(LOOPBACK)
    membership = socket.inet_aton(group) + interface
    async with endpoint(local_addr=(group, 0)) as (receiver, protocol, (_, port)):
        sock = receiver.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        async with endpoint() as (sender, _, _):
            sending = sender.get_extra_info("socket")
            sending.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, interface)
            sender.sendto(b"to the group", (group, port))
            await wait_until(lambda: protocol.received, "the datagram")
            assert protocol.data == [b"to the group"]


async def test_close_sends_the_burst_of_its_turn():
    async with endpoint() as (transport, protocol, _):
        with udp_socket() as peer:
            for number in range(5):
                transport.sendto(b"%d" % number, peer.getsockname())
            transport.close()
            transport.close()
            await protocol.closed
            assert [peer.recv(100) for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


async def test_whoever_looks_at_the_buffer_sends_the_burst_first():
    async with endpoint() as (transport, _, _):
        with udp_socket() as peer:
            for number in range(3):
                transport.sendto(b"%d" % number, peer.getsockname())
            assert transport.get_write_buffer_size() == 0
            assert [peer.recv(100) for _ in range(3)] == [b"0", b"1", b"2"]


def test_outside_of_the_loop_datagrams_leave_at_once(loop):
    async def start():
        transport, protocol = await loop.create_datagram_endpoint(
            RecordingEndpoint, local_addr=(LOOPBACK, 0)
        )
        return transport, protocol.closed

    transport, closed = loop.run_until_complete(start())
    with udp_socket() as peer:
        for number in range(3):
            transport.sendto(b"%d" % number, peer.getsockname())
        assert [peer.recv(100) for _ in range(3)] == [b"0", b"1", b"2"]
    transport.close()
    loop.run_until_complete(closed)


async def test_what_is_sent_after_the_end_of_a_remote_endpoint_is_counted_and_logged(caplog):
    with udp_socket() as peer:
        async with endpoint(remote_addr=peer.getsockname()) as (transport, protocol, _):
            transport.close()
            for _ in range(4):
                transport.sendto(b"lost")
            with caplog.at_level(logging.WARNING, logger="asyncio"):
                assert caplog.messages == []
                transport.sendto(b"lost")
                assert caplog.messages == ["socket.send() raised exception."]
            await protocol.closed


async def test_two_unnamed_unix_sockets_are_a_pair():
    with unix_datagram_pair() as (ours, peer):
        async with endpoint(sock=ours) as (transport, protocol, _):
            peer.send(b"hello")
            await wait_until(lambda: protocol.received, "the datagram")
            if is_stdlib(protocol.closed.get_loop()):
                return  # its socket is asked to send to None, and the endpoint closes
            transport.sendto(b"answer")
            transport.sendto(b"another")
            transport.sendto(b"third")
            await turns(2)
            assert receive_all(peer) == [b"answer", b"another", b"third"]
