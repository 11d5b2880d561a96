"""Datagram endpoints: what they receive, and when."""

import asyncio
import contextvars
import socket

import pytest

from tests.support.addresses import free_address
from tests.support.datagrams import (
    RecordingEndpoint,
    endpoint,
    udp_socket,
    unix_datagram_pair,
)
from tests.support.loops import is_stdlib
from tests.support.sockets import LOOPBACK, needs_ipv6
from tests.support.waiting import turns, wait_until

# More than a loop may take at once.
MANY = 200


async def test_a_datagram_comes_with_the_address_of_its_sender():
    async with endpoint() as (_, protocol, address):
        with udp_socket() as peer:
            peer.sendto(b"hello", address)
            await wait_until(lambda: protocol.received, "the datagram")
            assert protocol.received == [(b"hello", peer.getsockname())]


@needs_ipv6
async def test_an_ipv6_datagram_comes_with_flow_info_and_scope():
    async with endpoint(local_addr=("::1", 0)) as (_, protocol, address):
        with udp_socket("::1") as peer:
            peer.sendto(b"hello", address)
            await wait_until(lambda: protocol.received, "the datagram")
            assert protocol.received == [(b"hello", peer.getsockname())]
            assert len(protocol.received[0][1]) == 4


async def test_datagrams_of_several_senders_keep_their_order_and_addresses():
    async with endpoint() as (_, protocol, address):
        with udp_socket() as one, udp_socket() as two:
            expected = []
            for number in range(MANY):
                peer = (one, one, two)[number % 3]
                peer.sendto(b"%d" % number, address)
                expected.append((b"%d" % number, peer.getsockname()))
            await wait_until(lambda: len(protocol.received) == MANY, "all datagrams")
            assert protocol.received == expected


@pytest.mark.parametrize("size", [0, 1, 1472, 65507])
async def test_a_datagram_of_any_size_is_received_whole(size):
    data = bytes(i % 251 for i in range(size))
    async with endpoint() as (_, protocol, address):
        with udp_socket() as peer:
            peer.sendto(b"before", address)
            peer.sendto(data, address)
            peer.sendto(b"after", address)
            await wait_until(lambda: len(protocol.received) == 3, "three datagrams")
            assert protocol.data == [b"before", data, b"after"]


async def test_a_unix_datagram_may_be_larger_than_64_kib():
    data = bytes(150_000)
    with unix_datagram_pair() as (ours, peer):
        async with endpoint(sock=ours) as (_, protocol, _):
            peer.send(data)
            peer.send(b"")
            await wait_until(lambda: len(protocol.received) == 2, "two datagrams")
            assert protocol.data == [data, b""]


async def test_the_sender_of_a_unix_datagram_may_have_no_name(tmp_path):
    path = str(tmp_path / "receiver")
    async with endpoint(family=socket.AF_UNIX, local_addr=path) as (_, protocol, address):
        assert address == path
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"nobody", path)
            await wait_until(lambda: protocol.received, "the first datagram")
            peer.bind(str(tmp_path / "sender"))
            peer.sendto(b"somebody", path)
            await wait_until(lambda: len(protocol.received) == 2, "two datagrams")
            expected = [(b"nobody", None), (b"somebody", str(tmp_path / "sender"))]
            assert protocol.received == expected


async def test_an_abstract_unix_name_is_bytes(tmp_path):
    name = "\0" + str(tmp_path)
    async with endpoint(family=socket.AF_UNIX, local_addr=name) as (_, protocol, address):
        assert address == name.encode()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.bind(name + "-peer")
            peer.sendto(b"hello", name)
            await wait_until(lambda: protocol.received, "the datagram")
            assert protocol.received == [(b"hello", (name + "-peer").encode())]


async def test_what_arrived_before_connection_made_is_delivered_after_it():
    with udp_socket() as ours, udp_socket() as peer:
        peer.sendto(b"early", ours.getsockname())
        async with endpoint(sock=ours) as (_, protocol, _):
            await wait_until(lambda: protocol.received, "the datagram")
            assert protocol.calls == ["connection_made", "datagram_received"]


async def test_pause_reading_holds_datagrams_back_until_resume_reading():
    async with endpoint() as (transport, protocol, address):
        with udp_socket() as peer:
            transport.pause_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            for number in range(3):
                peer.sendto(b"%d" % number, address)
            await turns(10)
            assert protocol.received == []
            transport.resume_reading()
            transport.resume_reading()
            assert transport.is_reading()
            await wait_until(lambda: len(protocol.received) == 3, "three datagrams")
            assert protocol.data == [b"0", b"1", b"2"]


async def test_a_protocol_that_pauses_after_each_datagram_gets_one_at_a_time():
    class OneAtATime(RecordingEndpoint):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.pause_reading()

    async with endpoint(OneAtATime) as (transport, protocol, address):
        with udp_socket() as peer:
            for number in range(MANY):
                peer.sendto(b"%d" % number, address)
            for number in range(MANY):
                await wait_until(lambda: len(protocol.received) > number, "the next one")  # noqa: B023
                await turns(2)
                assert len(protocol.received) == number + 1
                transport.resume_reading()
            assert protocol.data == [b"%d" % number for number in range(MANY)]


async def test_pause_in_connection_made_holds():
    class Paused(RecordingEndpoint):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    async with endpoint(Paused) as (transport, protocol, address):
        with udp_socket() as peer:
            peer.sendto(b"hello", address)
            await turns(10)
            assert protocol.received == []
            transport.resume_reading()
            await wait_until(lambda: protocol.received, "the datagram")


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_nothing_is_delivered_after_close(end):
    class Closing(RecordingEndpoint):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            getattr(self.transport, end)()

    async with endpoint(Closing) as (transport, protocol, address):
        with udp_socket() as peer:
            for _ in range(MANY):
                peer.sendto(b"hello", address)
            await protocol.closed
            assert protocol.calls == ["connection_made", "datagram_received", "connection_lost"]
            assert protocol.lost_with is None
            assert transport.is_closing()
            assert not transport.is_reading()


async def test_an_exception_in_datagram_received_ends_nothing(reports):
    class Failing(RecordingEndpoint):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if data == b"bad":
                raise ValueError("bad datagram")

    async with endpoint(Failing) as (_, protocol, address):
        with udp_socket() as peer:
            for data in (b"good", b"bad", b"bad", b"good"):
                peer.sendto(data, address)
            await wait_until(lambda: len(protocol.received) == 4, "four datagrams")
            assert not protocol.transport.is_closing()
    assert [str(report.pop("exception")) for report in reports] == ["bad datagram"] * 2
    assert all(report["message"].startswith("Exception in callback") for report in reports)
    reports.clear()


async def test_connection_refused_goes_to_error_received_and_closes_nothing():
    nobody = free_address(socket.SOCK_DGRAM)
    async with endpoint(remote_addr=nobody) as (transport, protocol, address):
        transport.sendto(b"is anybody there?")
        await wait_until(lambda: protocol.errors, "the error")
        assert [type(error) for error in protocol.errors] == [ConnectionRefusedError]
        with socket.socket(type=socket.SOCK_DGRAM) as late:
            late.bind(nobody)
            late.connect(address)
            late.send(b"now I am")
            await wait_until(lambda: protocol.received, "the datagram")
        assert protocol.received == [(b"now I am", nobody)]
        assert not transport.is_closing()


async def test_datagrams_behind_an_error_are_received():
    with udp_socket() as peer:
        async with endpoint(remote_addr=peer.getsockname()) as (transport, protocol, address):
            transport.pause_reading()
            peer.connect(address)
            peer.send(b"behind the error")
            peer.close()
            transport.sendto(b"nobody is there")  # loopback: its ICMP message is here already
            await turns(3)
            transport.resume_reading()
            await wait_until(lambda: protocol.received and protocol.errors, "both")
            assert protocol.data == [b"behind the error"]


async def test_another_protocol_can_take_over_in_the_middle():
    async with endpoint() as (transport, protocol, address):
        successor = RecordingEndpoint()

        def hand_over(_data, _addr):
            transport.set_protocol(successor)

        protocol.datagram_received = hand_over
        with udp_socket() as peer:
            for number in range(4):
                peer.sendto(b"%d" % number, address)
            await wait_until(lambda: len(successor.received) == 3, "three datagrams")
        assert successor.data == [b"1", b"2", b"3"]
        assert transport.get_protocol() is successor
        transport.close()
        await successor.closed


async def test_a_flood_does_not_keep_others_from_running():
    ticks = []

    class Ticking(RecordingEndpoint):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            asyncio.get_running_loop().call_soon(lambda: ticks.append(len(self.received)))

    async with endpoint(Ticking) as (_, protocol, address):
        with udp_socket() as peer:
            for _ in range(MANY):
                peer.sendto(b"flood", address)
            await wait_until(lambda: len(protocol.received) == MANY, "all datagrams")
            await turns(1)
            assert ticks[0] < MANY / 2


async def test_every_callback_runs_in_a_context_of_the_endpoint():
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    class Looking(RecordingEndpoint):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(variable.get())

        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            seen.append(variable.get())

    variable.set("of the creator")
    async with endpoint(Looking) as (_, protocol, address):
        variable.set("later")
        with udp_socket() as peer:
            peer.sendto(b"hello", address)
            await wait_until(lambda: protocol.received, "the datagram")
    assert seen == ["of the creator"] * 2


async def test_a_family_without_addresses_of_ours_works_by_the_socket_module():
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0) as sock:
        sock.bind((0, 0))
        # RTM_GETLINK with NLM_F_REQUEST | NLM_F_DUMP: the kernel answers with the interfaces
        request = (32).to_bytes(4, "little") + bytes([18, 0, 1, 3]) + bytes(24)
        async with endpoint(sock=sock) as (transport, protocol, _):
            transport.sendto(request, (0, 0))
            await wait_until(lambda: len(protocol.received) >= 2, "the answers")
            assert {sender for _, sender in protocol.received} == {(0, 0)}


async def test_a_seqpacket_socket_is_an_endpoint_since_3_12():
    loop = asyncio.get_running_loop()
    ours, peer = socket.socketpair(type=socket.SOCK_SEQPACKET)
    with ours, peer:
        try:
            transport, protocol = await loop.create_datagram_endpoint(RecordingEndpoint, sock=ours)
        except ValueError as error:
            assert "A UDP Socket was expected" in str(error)  # noqa: PT017
            return
        peer.send(b"one")
        peer.send(b"two")
        await wait_until(lambda: len(protocol.received) == 2, "two records")
        if not is_stdlib(loop):
            transport.sendto(b"answer")  # asyncio's socket wants an address and is closed
            assert peer.recv(100) == b"answer"
            peer.close()
            await wait_until(lambda: len(protocol.received) == 3, "the end")
            await turns(5)  # asyncio delivers an empty record in each turn from now on
            assert protocol.data == [b"one", b"two", b""]
        transport.abort()
        await protocol.closed


def test_a_keyboard_interrupt_loses_none_of_the_datagrams_behind_it(loop):
    class Interrupting(RecordingEndpoint):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if data == b"interrupt":
                raise KeyboardInterrupt

    async def start():
        transport, protocol = await loop.create_datagram_endpoint(
            Interrupting, local_addr=(LOOPBACK, 0)
        )
        return transport, protocol, transport.get_extra_info("sockname")

    async def finish():
        await wait_until(lambda: len(protocol.received) == 5, "the others")
        transport.close()
        await protocol.closed

    transport, protocol, address = loop.run_until_complete(start())
    with udp_socket() as peer:
        for data in (b"a", b"interrupt", b"b", b"c", b"d"):
            peer.sendto(data, address)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        assert protocol.data == [b"a", b"interrupt"]
        loop.run_until_complete(finish())
    assert protocol.data == [b"a", b"interrupt", b"b", b"c", b"d"]
