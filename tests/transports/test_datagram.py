"""DatagramTransport: what only ngxloop's has."""

import asyncio

import pytest

from ngxloop.transports.datagram import DatagramTransport
from tests.support.datagrams import EchoEndpoint, RecordingEndpoint, endpoint, udp_socket
from tests.support.sockets import LOOPBACK
from tests.support.syscalls import calls_between_marks, needs_strace
from tests.support.waiting import turns, wait_until
from tests.transports.unclosed import clear_and_collect


async def test_repr_tells_the_state():
    async with endpoint() as (transport, protocol, _):
        fd = transport.get_extra_info("socket").fileno()
        start = f"<ngxloop.DatagramTransport open fd={fd} "
        assert repr(transport) == start + "read=polling write=<idle, bufsize=0>>"
        transport.pause_reading()
        assert repr(transport) == start + "read=paused write=<idle, bufsize=0>>"
        transport.close()
        assert repr(transport).startswith(f"<ngxloop.DatagramTransport closing fd={fd} ")
        await protocol.closed
        await turns(1)
        assert repr(transport) == "<ngxloop.DatagramTransport closed fd=-1>"


async def test_it_is_a_datagram_transport_of_asyncio():
    async with endpoint() as (transport, _, _):
        assert isinstance(transport, asyncio.DatagramTransport)
        assert type(transport) is DatagramTransport


def test_nobody_else_makes_one():
    with pytest.raises(TypeError, match=r"made by create_datagram_endpoint\(\)"):
        DatagramTransport()


def test_one_that_is_dropped_open_warns_and_closes(loop):
    async def start():
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=(LOOPBACK, 0)
        )
        return transport

    transports = [loop.run_until_complete(start())]
    sock = transports[0].get_extra_info("socket")
    loop.close()
    with pytest.warns(ResourceWarning, match="unclosed transport <ngxloop.DatagramTransport"):
        clear_and_collect(transports)
    assert sock.fileno() == -1


async def test_extra_info_stays_known_after_the_end():
    async with endpoint() as (transport, protocol, address):
        transport.close()
        await protocol.closed
        await turns(1)
        assert transport.get_extra_info("sockname") == address
        assert transport.get_extra_info("peername") is None


async def test_statistics_count_the_bytes_of_datagrams():
    loop = asyncio.get_running_loop()
    async with endpoint(EchoEndpoint) as (transport, protocol, address):
        with udp_socket() as peer:
            before = loop.stats()
            for _ in range(10):
                peer.sendto(b"12345", address)
            transport.sendto(b"123", peer.getsockname())
            await wait_until(lambda: len(protocol.received) == 10, "ten datagrams")
            await turns(2)
            after = loop.stats()
    assert after.received_bytes - before.received_bytes == 50
    assert after.sent_bytes - before.sent_bytes == 53


def test_a_callback_that_turns_the_loop_by_hand_disturbs_no_datagram(loop):
    class Turning(RecordingEndpoint):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if data == b"turn":
                peer.sendto(b"from within", self.transport.get_extra_info("sockname"))
                loop._run_once()

    async def start():
        return await loop.create_datagram_endpoint(Turning, local_addr=(LOOPBACK, 0))

    async def finish():
        await wait_until(lambda: len(protocol.received) == 4, "four datagrams")
        transport.close()
        await protocol.closed

    transport, protocol = loop.run_until_complete(start())
    with udp_socket() as peer:
        for data in (b"turn", b"second", b"third"):
            peer.sendto(data, transport.get_extra_info("sockname"))
        loop.run_until_complete(finish())
    assert sorted(protocol.data) == sorted([b"turn", b"second", b"third", b"from within"])


BURST = """
    import asyncio, os, socket
    import ngxloop

    class Counting(asyncio.DatagramProtocol):
        count = 0

        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            self.count += 1
            self.transport.sendto(data, addr)

    async def main():
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_datagram_endpoint(
            Counting, local_addr=("127.0.0.1", 0)
        )
        address = transport.get_extra_info("sockname")
        peer = socket.socket(type=socket.SOCK_DGRAM)
        peer.bind(("127.0.0.1", 0))
        for number in range(100):
            peer.sendto(b"%d" % number, address)
        os.getppid()
        while protocol.count < 100:
            await asyncio.sleep(0)
        os.getppid()
        peer.setblocking(False)
        assert [peer.recv(10) for _ in range(100)] == [b"%d" % n for n in range(100)]
        transport.abort()

    ngxloop.run(main())
"""


@needs_strace
def test_answers_to_a_burst_of_datagrams_cost_few_calls():
    calls = calls_between_marks(BURST, "recvmmsg", "recvfrom", "recvmsg", "sendmmsg", "sendto")

    assert calls["recvmmsg"] <= 10
    assert not calls["recvfrom"] + calls["recvmsg"]
    assert not calls["sendto"]
    assert calls["sendmmsg"] <= 10
