"""Pipe transports: writing, flow control, and a reader that goes away."""

import asyncio
import logging
import os

import pytest

from tests.support import pipes
from tests.support.waiting import wait_until


async def test_a_write_is_in_the_pipe_when_it_returns():
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await pipes.connect_writer(write_end)
        transport.write(b"one ")
        assert os.read(read_end, 100) == b"one "
        transport.writelines([b"two", bytearray(b" "), memoryview(b"three")])
        assert os.read(read_end, 100) == b"two three"
        transport.write(b"")
        transport.write(memoryview(b"view"))
        assert os.read(read_end, 100) == b"view"
        transport.close()
        await protocol.closed


async def test_a_write_pipe_notices_that_its_reader_has_gone():
    with pipes.pipe() as (read_end, write_end):
        _, protocol = await pipes.connect_writer(write_end)

        os.close(read_end)
        await protocol.closed

        assert protocol.lost_with is None


async def test_a_reader_that_goes_while_output_waits_breaks_the_pipe():
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await pipes.connect_writer(write_end)
        transport.write(bytes(1_000_000))

        os.close(read_end)
        await protocol.closed

        assert isinstance(protocol.lost_with, BrokenPipeError)
        assert transport.get_write_buffer_size() == 0


async def test_a_write_to_a_broken_pipe_loses_it_in_the_next_turn(caplog):
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await pipes.connect_writer(write_end)
        os.close(read_end)
        with caplog.at_level(logging.WARNING, "asyncio"):
            transport.write(b"x")
            assert protocol.calls == ["connection_made"]
            for _ in range(4):
                transport.write(b"x")
            assert not caplog.records
            transport.write(b"x")

        assert "pipe closed by peer or os.write(pipe, data) raised exception." in caplog.text
        await protocol.closed
        assert isinstance(protocol.lost_with, BrokenPipeError)


async def test_flow_control_pauses_and_resumes_the_protocol():
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await pipes.connect_writer(write_end)
        os.set_blocking(read_end, False)
        transport.set_write_buffer_limits(high=1000, low=100)
        size = pipes.fill(write_end)

        transport.write(bytes(1000))
        assert "pause_writing" not in protocol.calls
        transport.write(b"x")
        assert protocol.calls[-1] == "pause_writing"
        assert transport.get_write_buffer_size() == 1001
        received = pipes.drain(read_end)
        await wait_until(lambda: protocol.calls[-1] == "resume_writing")

        assert received + pipes.drain(read_end) == size + 1001
        transport.close()
        await protocol.closed


@pytest.mark.parametrize("method", ["close", "write_eof"])
async def test_closing_writes_what_is_buffered(method):
    with pipes.pipe() as (read_end, write_end):
        os.set_blocking(read_end, False)
        transport, protocol = await pipes.connect_writer(write_end)
        transport.write(bytes(300_000))
        assert transport.can_write_eof()
        getattr(transport, method)()
        getattr(transport, method)()
        transport.write(b"too late")
        received = 0
        while not protocol.closed.done():
            received += pipes.drain(read_end)
            await asyncio.sleep(0)

        assert received + pipes.drain(read_end) == 300_000
        assert protocol.lost_with is None


async def test_abort_drops_what_is_buffered():
    with pipes.pipe() as (read_end, write_end):
        os.set_blocking(read_end, False)
        transport, protocol = await pipes.connect_writer(write_end)
        transport.write(bytes(1_000_000))
        transport.abort()
        await protocol.closed

        assert 0 < pipes.drain(read_end) < 1_000_000
        assert protocol.lost_with is None
