"""StreamTransport, writing: when output leaves, in how many pieces, when the protocol pauses."""

import asyncio

import pytest

from tests.probes.poller import ET, IN, OUT, PRI, RDHUP
from tests.probes.reactor import ReactorProbe
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import drain, fill, receive, receive_until_eof, segments_sent
from tests.support.streams import connected
from tests.support.syscalls import calls_between_marks, needs_strace
from tests.support.waiting import turns, wait_until

# ---- when output leaves: see conformance/test_when_output_leaves.py, too


async def test_each_write_leaves_in_a_segment_of_its_own():
    async with connected() as (transport, _, peer):
        for part in (b"one", b"two", b"three"):
            transport.write(part)

        assert drain(peer) == b"onetwothree"
        assert segments_sent(transport) == 3


async def test_writelines_leaves_in_one_segment():
    async with connected() as (transport, _, peer):
        transport.writelines([b"one", bytearray(b"two"), memoryview(b"three")])

        assert await receive(peer, 11) == b"onetwothree"
        assert segments_sent(transport) == 1


async def test_buffer_size_is_zero_when_the_kernel_took_everything():
    async with connected() as (transport, _, _):
        transport.write(b"x" * 1000)

        assert transport.get_write_buffer_size() == 0


async def test_large_write_in_connection_made_goes_on_after_the_start():
    class Greeting(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(bytes(10_000_000))
            assert transport.get_write_buffer_size() > 0
            transport.write(b"end")

    async with connected(Greeting) as (_, _, peer):
        assert await receive(peer, 10_000_003) == bytes(10_000_000) + b"end"


async def test_large_write_in_connection_made_then_close_is_sent_first():
    class Greeting(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(bytes(10_000_000))
            transport.close()

    async with connected(Greeting) as (_, protocol, peer):
        assert len(await receive_until_eof(peer)) == 10_000_000
        await protocol.closed


# ---- a full kernel buffer


async def test_out_joins_the_interest_when_the_kernel_takes_no_more_and_stays():
    probe = ReactorProbe(asyncio.get_running_loop())
    async with connected() as (transport, _, peer):
        fd = transport._sock_fd
        interests = [probe.slot(fd).interest]
        for _ in range(2):
            transport.write(bytes(10_000_000))
            interests.append(probe.slot(fd).interest)
            await receive(peer, 10_000_000)
            await turns(2)
            interests.append(probe.slot(fd).interest)

    watched = IN | PRI | RDHUP | ET
    assert interests == [watched, *[watched | OUT] * 4]


BLOCKED_WRITES = """
    import asyncio, os, socket
    import ngxloop

    async def main():
        loop = asyncio.get_running_loop()
        ours, peer = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        {before}
        os.getppid()
        for _ in range(100):
            {repeat}
            await asyncio.sleep(0)
        os.getppid()
        transport.abort()

    ngxloop.run(main())
"""


@needs_strace
def test_writes_while_the_kernel_takes_no_more_cost_no_calls():
    program = BLOCKED_WRITES.format(
        before="transport.write(bytes(10_000_000))",
        repeat="transport.write(b'x'); transport.get_write_buffer_size()",
    )

    calls = calls_between_marks(program, "sendto", "sendmsg", "epoll_ctl")

    assert not calls["sendto"] + calls["sendmsg"] + calls["epoll_ctl"]


@needs_strace
def test_writelines_costs_one_call_however_much_it_is():
    program = BLOCKED_WRITES.format(
        before="peer.setblocking(False)",
        repeat="transport.writelines([b'x' * 25_000] * 4); peer.recv(100_000)",
    )

    calls = calls_between_marks(program, "sendto", "sendmsg", "epoll_ctl")

    assert calls["sendto"] + calls["sendmsg"] == 100
    assert not calls["epoll_ctl"]


@needs_strace
def test_each_write_costs_one_call_and_nothing_else():
    program = BLOCKED_WRITES.format(
        before="pass",
        repeat="for _ in range(5): transport.write(bytes(1000))"
        "\n            await asyncio.sleep(0); peer.recv(10_000)",
    )

    calls = calls_between_marks(program, "sendto", "sendmsg", "epoll_ctl", "write")

    assert calls == {"sendto": 500}


# ---- pausing the protocol


async def test_any_unsent_byte_pauses_with_a_limit_of_zero():
    async with connected() as (transport, protocol, peer):
        transport.set_write_buffer_limits(0)
        transport.write(b"taken")
        calm = list(protocol.calls)
        fill(transport._sock)

        transport.write(b"x")
        paused = list(protocol.calls)
        drain(peer)
        await wait_until(lambda: "resume_writing" in protocol.calls)

    assert calm == ["connection_made"]
    assert paused == ["connection_made", "pause_writing"]


@pytest.mark.parametrize("part", [1, 100, 5000, 200_000], ids=lambda n: f"{n}_bytes_each")
async def test_protocol_is_paused_once_above_and_resumed_once_below(part):
    async with connected() as (transport, protocol, peer):
        sizes = []
        protocol.pause_writing = lambda: sizes.append(transport.get_write_buffer_size())
        protocol.resume_writing = lambda: sizes.append(transport.get_write_buffer_size())
        sent = fill(transport._sock)

        while len(sizes) < 1:
            transport.write(bytes(part))
            sent += part
        await receive(peer, sent)
        await turns(2)

        low, high = transport.get_write_buffer_limits()
        assert len(sizes) == 2
        assert high < sizes[0] <= high + part
        assert sizes[1] <= low


async def test_protocol_is_resumed_when_part_of_the_output_has_left():
    async with connected() as (transport, protocol, peer):
        left = []
        protocol.resume_writing = lambda: left.append(transport.get_write_buffer_size())
        transport.set_write_buffer_limits(high=7_000_000, low=6_999_999)
        transport.write(bytes(20_000_000))

        while not left:
            drain(peer)
            await turns(1)

        assert 0 < left[0] <= 6_999_999
        transport.abort()


async def test_write_eof_behind_output_that_waits_is_sent_after_it():
    async with connected() as (transport, protocol, peer):
        transport.write(bytes(5_000_000))
        transport.write_eof()
        waiting = transport.get_write_buffer_size()

        assert len(await receive_until_eof(peer)) == 5_000_000
        assert waiting > 0
        assert not transport.is_closing()
        peer.close()
        await protocol.closed


async def test_resume_writing_that_writes_forever_lets_the_loop_turn():
    class Endless(RecordingProtocol):
        def resume_writing(self):
            self.transport.write(bytes(200_000))

    async with connected(Endless) as (transport, _, peer):
        transport.set_write_buffer_limits(0)
        transport.write(bytes(5_000_000))
        received = 0
        for _ in range(300):
            received += len(drain(peer))
            await turns(1)

        assert received > 10_000_000
        transport.abort()
