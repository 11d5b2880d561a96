"""Receivers: compiled protocols, which take memory, hear of the peer's end, and have a deadline."""

import asyncio
import contextlib
import time

import pytest

import ngxloop
from tests.probes.reactor import ReactorProbe
from tests.probes.receiver import RecordingReceiver, write_memory
from tests.support.sockets import fill, receive, reset, tcp_pair, unix_pair
from tests.support.streams import connected
from tests.support.tls import tls_connection
from tests.support.waiting import turns, wait_until


@pytest.fixture(autouse=True)
def _needs_our_loop(request):
    """Receivers know no other loop."""


def receiver(**attributes):
    """Return a factory of receivers with these attributes."""

    def factory():
        made = RecordingReceiver()
        for name, value in attributes.items():
            setattr(made, name, value)
        return made

    return factory


# ---- receiving


async def test_a_receiver_that_raises_loses_its_connection_with_a_report_that_names_the_method():
    reports = []
    asyncio.get_running_loop().set_exception_handler(lambda _, report: reports.append(report))

    def fail(name):
        if name == "receive":
            raise ValueError("no such message")

    async with connected(receiver(on_call=fail)) as (_, protocol, peer):
        peer.send(b"data")
        await wait_until(lambda: "connection_lost" in protocol.calls)

    assert isinstance(protocol.lost_with, ValueError)
    assert [report["message"] for report in reports] == [
        "Fatal error: protocol.receive() call failed."
    ]


async def test_a_receiver_over_tls_is_fed_with_plaintext():
    async with tls_connection(RecordingReceiver) as (transport, protocol, server):
        server.closed = protocol.closed
        transport.write(b"plain" * 20_000)
        await wait_until(lambda: len(server.received) == 100_000)

    assert bytes(server.received) == b"plain" * 20_000
    assert "data_received" not in server.calls


# ---- the peer's end while reading is paused


@pytest.mark.parametrize("data", [b"", b"unread"], ids=["alone", "behind_data"])
@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
async def test_the_end_is_told_once_while_reading_is_paused(data, pair):
    async with connected(receiver(keeps_open=True), pair) as (transport, protocol, peer):
        transport.pause_reading()
        peer.send(data)
        await turns(3)
        before = list(protocol.calls)
        peer.close()
        await wait_until(lambda: "peer_left" in protocol.calls)
        await turns(3)
        paused = list(protocol.calls)
        transport.resume_reading()
        await wait_until(lambda: "eof_received" in protocol.calls)

    assert before == ["connection_made"]
    assert paused == ["connection_made", "peer_left"]
    assert bytes(protocol.received) == data


async def test_a_reset_is_told_while_reading_is_paused():
    async with connected(RecordingReceiver) as (transport, protocol, peer):
        transport.pause_reading()
        await turns(2)
        reset(peer)
        await wait_until(lambda: "peer_left" in protocol.calls)
        assert "connection_lost" not in protocol.calls
        transport.resume_reading()
        await wait_until(lambda: "connection_lost" in protocol.calls)

    assert isinstance(protocol.lost_with, ConnectionResetError)


async def test_an_end_that_comes_together_with_data_is_told_if_the_data_paused_reading():
    def pause(name):
        if name == "receive":
            protocol.transport.pause_reading()

    async with connected(RecordingReceiver) as (_, protocol, peer):
        await turns(2)
        protocol.on_call = pause
        peer.send(b"data")
        peer.close()
        await wait_until(lambda: "peer_left" in protocol.calls)

    assert protocol.calls[:3] == ["connection_made", "receive", "peer_left"]


async def test_the_end_is_told_if_reading_is_paused_from_the_beginning():
    def pause(name):
        if name == "connection_made":
            protocols[0].transport.pause_reading()

    protocols = []

    def factory():
        protocols.append(RecordingReceiver())
        protocols[-1].on_call = pause
        return protocols[-1]

    async with connected(factory) as (_, protocol, peer):
        peer.close()
        await wait_until(lambda: "peer_left" in protocol.calls)

    assert protocol.calls[:2] == ["connection_made", "peer_left"]


async def test_data_that_comes_while_reading_is_paused_is_told_to_nobody():
    async with connected(RecordingReceiver) as (transport, protocol, peer):
        transport.pause_reading()
        for _ in range(3):
            peer.send(b"data")
            await turns(2)
        assert protocol.calls == ["connection_made"]
        transport.resume_reading()
        await wait_until(lambda: len(protocol.received) == 12)


async def test_the_end_of_a_tls_connection_is_told_while_reading_is_paused():
    async with tls_connection(RecordingReceiver) as (transport, protocol, server):
        server.closed = protocol.closed
        server.transport.pause_reading()
        transport.abort()
        await wait_until(lambda: "peer_left" in server.calls)
        assert server.calls == ["connection_made", "peer_left"]
        server.transport.resume_reading()
        await wait_until(lambda: "connection_lost" in server.calls)


# ---- sending from memory


async def test_memory_is_sent_and_not_referred_to_afterwards():
    async with connected(RecordingReceiver) as (transport, _, peer):
        write_memory(transport, b"")
        write_memory(transport, b"first ")
        write_memory(transport, b"second")
        assert await receive(peer, 12) == b"first second"


async def test_what_the_kernel_does_not_take_of_memory_is_kept():
    data = bytes(range(256)) * 4096  # 1 MiB: more than the buffers of the pair
    async with connected(RecordingReceiver) as (transport, protocol, peer):
        write_memory(transport, data)
        write_memory(transport, b"the end")
        assert transport.get_write_buffer_size() > 0
        assert await receive(peer, len(data) + 7) == data + b"the end"
        await wait_until(lambda: protocol.calls[-1] == "resume_writing")

    assert protocol.calls[:3] == ["connection_made", "pause_writing", "resume_writing"]


async def test_memory_follows_what_waits_before_it():
    async with connected(RecordingReceiver, unix_pair) as (transport, _, peer):
        taken = fill(transport.get_extra_info("socket")._sock)
        transport.write(b"before")
        write_memory(transport, b"behind")
        assert (await receive(peer, taken + 12))[taken:] == b"beforebehind"


async def test_memory_that_cannot_be_sent_ends_the_connection_in_a_later_turn():
    async with connected(RecordingReceiver, unix_pair) as (transport, protocol, peer):
        await turns(2)
        peer.close()
        write_memory(transport, b"data")
        assert "connection_lost" not in protocol.calls
        await wait_until(lambda: "connection_lost" in protocol.calls)

    assert isinstance(protocol.lost_with, BrokenPipeError)


def test_memory_is_joined_with_what_else_a_turn_writes():
    async def test():
        loop = asyncio.get_running_loop()
        loop.set_write_coalescing(True)
        async with connected(RecordingReceiver) as (transport, _, peer):
            await turns(2)
            write_memory(transport, b"one ")
            transport.write(b"two")
            with contextlib.suppress(BlockingIOError):
                raise AssertionError(peer.recv(10))
            assert await receive(peer, 7) == b"one two"

    ngxloop.run(test())


# ---- the deadline


async def test_a_deadline_passes_once_and_not_early():
    loop = asyncio.get_running_loop()
    async with connected(RecordingReceiver) as (_, protocol, _):
        start = time.monotonic()
        protocol.set_deadline(loop, 0.02)
        await wait_until(lambda: "deadline_passed" in protocol.calls)
        assert time.monotonic() - start >= 0.015  # it counts from the clock's last tick
        await asyncio.sleep(0.03)
        protocol.stop_deadline()

    assert protocol.calls.count("deadline_passed") == 1


async def test_a_deadline_that_moves_on_does_not_pass_and_costs_no_timer():
    loop = asyncio.get_running_loop()
    probe = ReactorProbe(loop)
    async with connected(RecordingReceiver) as (_, protocol, _):
        before = probe.timer_count
        for _ in range(1000):
            protocol.set_deadline(loop, 5)
        assert probe.timer_count == before + 1
        protocol.set_deadline(loop, 0)
        assert probe.timer_count == before + 1
        protocol.stop_deadline()
        assert probe.timer_count == before


async def test_an_earlier_deadline_passes_at_its_time_and_a_later_one_replaces_it():
    loop = asyncio.get_running_loop()
    async with connected(RecordingReceiver) as (_, protocol, _):
        protocol.set_deadline(loop, 500)
        protocol.set_deadline(loop, 0.01)
        await wait_until(lambda: "deadline_passed" in protocol.calls)
        protocol.set_deadline(loop, 0.01)
        protocol.set_deadline(loop, 500)
        await asyncio.sleep(0.03)
        assert protocol.calls.count("deadline_passed") == 1
        protocol.stop_deadline()


async def test_a_deadline_that_is_taken_back_does_not_pass():
    loop = asyncio.get_running_loop()
    async with connected(RecordingReceiver) as (_, protocol, _):
        protocol.set_deadline(loop, 0.01)
        protocol.set_deadline(loop, 0)
        await asyncio.sleep(0.03)
        assert "deadline_passed" not in protocol.calls


def test_a_deadline_follows_the_clock_of_a_test():
    class TestClock(ngxloop.EventLoop):
        now = 1000.0

        def time(self):
            return self.now

    loop = TestClock()
    protocol = RecordingReceiver()
    protocol.set_deadline(loop, 60)
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert protocol.calls == []
    loop.now += 61
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    assert protocol.calls == ["deadline_passed"]
    loop.close()
