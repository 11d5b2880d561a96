"""Write buffer limits, pause_writing and resume_writing."""

import asyncio

import pytest

from tests.support.protocols import RecordingProtocol
from tests.support.sockets import KERNEL_BUFFER_SIZE, receive
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until

# Far more than the kernel's buffers of a TCP pair hold.
OVERFULL = bytes(16 * KERNEL_BUFFER_SIZE)


async def test_the_default_limits_are_16_and_64_kib():
    async with connected() as (transport, _, _):
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)


@pytest.mark.parametrize(
    ("arguments", "limits"),
    [
        ({}, (16 * 1024, 64 * 1024)),
        ({"high": 0}, (0, 0)),
        ({"high": 1000}, (250, 1000)),
        ({"low": 1000}, (1000, 4000)),
        ({"low": 0}, (0, 0)),
        ({"high": 300, "low": 200}, (200, 300)),
        ({"high": 300, "low": 300}, (300, 300)),
    ],
    ids=str,
)
async def test_set_write_buffer_limits_fills_in_what_is_left_out(arguments, limits):
    async with connected() as (transport, _, _):
        transport.set_write_buffer_limits(**arguments)
        assert transport.get_write_buffer_limits() == limits


@pytest.mark.parametrize(("high", "low"), [(100, 200), (-1, 0), (100, -1)], ids=str)
async def test_limits_that_make_no_sense_are_refused(high, low):
    async with connected() as (transport, _, _):
        message = rf"^high \({high}\) must be >= low \({low}\) must be >= 0$"
        with pytest.raises(ValueError, match=message):
            transport.set_write_buffer_limits(high=high, low=low)
        assert transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)


async def test_the_protocol_is_paused_above_the_high_limit_and_resumed_at_the_low_one():
    sizes = []

    class Protocol(RecordingProtocol):
        def pause_writing(self):
            super().pause_writing()
            sizes.append(self.transport.get_write_buffer_size())

        def resume_writing(self):
            super().resume_writing()
            sizes.append(self.transport.get_write_buffer_size())

    async with connected(Protocol) as (transport, protocol, peer):
        transport.write(OVERFULL)
        assert protocol.calls == ["connection_made", "pause_writing"]
        await receive(peer, len(OVERFULL))
        await wait_until(lambda: protocol.calls[-1] == "resume_writing")

    assert sizes[0] > 64 * 1024
    assert sizes[1] <= 16 * 1024
    assert protocol.calls.count("pause_writing") == 1
    assert protocol.calls.count("resume_writing") == 1


async def test_exactly_the_high_limit_does_not_pause():
    async with connected() as (transport, protocol, _):
        transport.set_write_buffer_limits(high=100_000_000)
        transport.write(OVERFULL)
        waiting = transport.get_write_buffer_size()
        transport.set_write_buffer_limits(high=waiting + 10)
        transport.write(bytes(10))
        assert protocol.calls == ["connection_made"]
        transport.write(b"x")
        assert protocol.calls == ["connection_made", "pause_writing"]


async def test_with_a_limit_of_zero_any_unsent_byte_pauses():
    async with connected() as (transport, protocol, peer):
        transport.set_write_buffer_limits(high=0)
        transport.write(b"the kernel takes this at once")
        assert protocol.calls == ["connection_made"]

        transport.write(OVERFULL)
        assert protocol.calls == ["connection_made", "pause_writing"]
        await receive(peer, 29 + len(OVERFULL))
        await wait_until(lambda: protocol.calls[-1] == "resume_writing")
        assert transport.get_write_buffer_size() == 0


async def test_a_protocol_already_paused_is_not_paused_again():
    async with connected() as (transport, protocol, _):
        transport.write(OVERFULL)
        transport.write(OVERFULL)
        transport.writelines([OVERFULL, OVERFULL])

        assert protocol.calls == ["connection_made", "pause_writing"]


async def test_set_write_buffer_limits_pauses_at_once_when_the_new_limit_is_exceeded():
    async with connected() as (transport, protocol, _):
        transport.set_write_buffer_limits(high=100_000_000)
        transport.write(OVERFULL)
        assert protocol.calls == ["connection_made"]

        transport.set_write_buffer_limits(high=0)
        transport.write(b"x")
        assert protocol.calls == ["connection_made", "pause_writing"]


async def test_writelines_pauses_the_protocol_too():
    async with connected() as (transport, protocol, peer):
        transport.writelines([OVERFULL, b"x"])
        transport.write(b"y")
        assert protocol.calls == ["connection_made", "pause_writing"]
        await receive(peer, len(OVERFULL) + 2)
        await wait_until(lambda: protocol.calls[-1] == "resume_writing")


async def test_resume_writing_may_write_more():
    class Protocol(RecordingProtocol):
        def resume_writing(self):
            super().resume_writing()
            if self.calls.count("resume_writing") < 3:
                self.transport.write(OVERFULL)

    async with connected(Protocol) as (transport, protocol, peer):
        transport.write(OVERFULL)
        await receive(peer, 3 * len(OVERFULL))
        await wait_until(lambda: protocol.calls.count("resume_writing") == 3)

    assert protocol.calls[1:7] == ["pause_writing", "resume_writing"] * 3


@pytest.mark.parametrize("method", ["pause_writing", "resume_writing"])
async def test_an_exception_of_pause_or_resume_is_reported_but_not_fatal(method, reports):
    def fail(self):
        raise ZeroDivisionError

    failing = type("Protocol", (RecordingProtocol,), {method: fail})

    async with connected(failing) as (transport, protocol, peer):
        transport.write(OVERFULL)
        await receive(peer, len(OVERFULL))
        await wait_until(lambda: reports)
        report = reports.pop()
        assert report["message"] == f"protocol.{method}() failed"
        assert isinstance(report["exception"], ZeroDivisionError)
        assert report["transport"] is transport
        assert report["protocol"] is protocol
        transport.write(b"x")
        assert await receive(peer, 1) == b"x"


async def test_no_resume_follows_an_abort():
    async with connected() as (transport, protocol, _):
        transport.write(OVERFULL)
        transport.abort()
        await protocol.closed
        await turns(3)

    assert protocol.calls == ["connection_made", "pause_writing", "connection_lost"]


async def test_an_abort_within_pause_writing_is_fine():
    class Protocol(RecordingProtocol):
        def pause_writing(self):
            super().pause_writing()
            self.transport.abort()

    async with connected(Protocol) as (transport, protocol, _):
        transport.write(OVERFULL)
        await protocol.closed

    assert protocol.calls == ["connection_made", "pause_writing", "connection_lost"]


async def test_drain_of_a_stream_waits_until_the_peer_has_read():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    async with connected(lambda: asyncio.StreamReaderProtocol(reader)) as connection:
        transport, protocol, peer = connection
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        writer.write(OVERFULL)
        draining = asyncio.create_task(writer.drain())
        await turns(5)
        assert not draining.done()
        await receive(peer, len(OVERFULL))
        await draining
