"""Pipe transports on terminals, devices, and fds that others share."""

import asyncio
import os
import termios

import pytest

from tests.support import loops, pipes
from tests.support.protocols import RecordingProtocol
from tests.support.waiting import turns, wait_until

# ---- terminals


async def test_a_pty_whose_other_end_closes_ends_without_a_report():
    with pipes.terminal() as (master, slave):
        _, protocol = await pipes.connect_reader(master)
        os.write(slave, b"output")
        await wait_until(lambda: protocol.received == b"output")

        os.close(slave)
        await protocol.closed

        assert protocol.lost_with is None or protocol.lost_with.errno == 5


async def test_a_terminal_is_read_line_by_line_to_its_end():
    with pipes.terminal() as (master, slave):
        attributes = termios.tcgetattr(slave)
        attributes[3] |= termios.ICANON
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
        os.write(master, b"first\nsecond\nthird\n")
        transport, protocol = await pipes.connect_reader(slave)
        await wait_until(lambda: protocol.received == b"first\nsecond\nthird\n")
        transport.close()
        await protocol.closed


@pytest.mark.parametrize("to_slave", [True, False], ids=["to_slave", "to_master"])
async def test_much_data_passes_through_a_pty(to_slave):
    with pipes.terminal() as (master, slave):
        source, target = (master, slave) if to_slave else (slave, master)
        writer, writing = await pipes.connect_writer(source)
        reader, reading = await pipes.connect_reader(target)
        data = os.urandom(200_000)
        writer.write(data)
        await wait_until(lambda: len(reading.received) == len(data))
        assert reading.received == data
        writer.close()
        await writing.closed
        reader.close()
        await reading.closed


async def test_one_fd_is_read_and_written():
    with pipes.terminal() as (master, slave):
        file = pipes.file_of(slave, "r+b")
        loop = asyncio.get_running_loop()
        reader, reading = await loop.connect_read_pipe(RecordingProtocol, file)
        writer, writing = await loop.connect_write_pipe(RecordingProtocol, file)
        os.write(master, b"typed")
        await wait_until(lambda: reading.received == b"typed")
        writer.write(b"printed")
        await wait_until(lambda: not writer.get_write_buffer_size())
        assert os.read(master, 100) == b"printed"
        writer.close()
        reader.close()
        await writing.closed
        await reading.closed


async def test_two_duplicates_of_a_terminal_are_read_and_written():
    with pipes.terminal() as (master, slave), pipes.fds(os.dup(slave)) as (duplicate,):
        reader, reading = await pipes.connect_reader(slave)
        writer, writing = await pipes.connect_writer(duplicate)
        os.write(master, b"typed")
        await wait_until(lambda: reading.received == b"typed")
        writer.close()
        await writing.closed
        os.write(master, b" more")
        await wait_until(lambda: reading.received == b"typed more")
        reader.close()
        await reading.closed


# ---- fds that others share


@pytest.mark.parametrize("end", ["terminal", "fifo"])
async def test_reading_never_blocks_though_another_process_clears_o_nonblock(end):
    with pipes.terminal() if end == "terminal" else pipes.pipe() as ends:
        target, source = ends if end == "fifo" else reversed(ends)
        transport, protocol = await pipes.connect_reader(target)
        os.set_blocking(target, True)
        os.write(source, b"data")
        await wait_until(lambda: protocol.received == b"data")
        transport.pause_reading()
        os.write(source, b"stolen")
        await turns(3)
        assert os.read(target, 100) == b"stolen"
        transport.resume_reading()
        await turns(3)
        os.write(source, b", more")
        await wait_until(lambda: protocol.received == b"data, more")
        transport.close()
        await protocol.closed


async def test_dev_null_takes_everything():
    loop = asyncio.get_running_loop()
    device = pipes.file_of(os.open("/dev/null", os.O_WRONLY), "wb")
    transport, protocol = await loop.connect_write_pipe(RecordingProtocol, device)
    transport.write(bytes(1_000_000))
    assert transport.get_write_buffer_size() == 0
    transport.close()
    await protocol.closed


async def test_dev_null_reads_as_empty():
    loop = asyncio.get_running_loop()
    device = pipes.file_of(os.open("/dev/null", os.O_RDONLY), "rb")
    transport, protocol = await loop.connect_read_pipe(RecordingProtocol, device)
    if loops.is_stdlib(loop):  # where epoll refuses the device, its callback's failure is reported
        await turns(2)
        assert isinstance(loops.reports.pop()["exception"], PermissionError)
        transport.close()
    await protocol.closed
    assert protocol.received == b""
