"""Pipe transports: connect_read_pipe and connect_write_pipe."""

import asyncio
import logging
import os
import socket
import termios

import pytest

from tests.support import loops, pipes
from tests.support.protocols import RecordingProtocol
from tests.support.waiting import turns, wait_until
from tests.transports.unclosed import clear_and_collect


async def connect_reader(fd, factory=RecordingProtocol):
    """Return the transport and protocol that read an fd."""
    loop = asyncio.get_running_loop()
    return await loop.connect_read_pipe(factory, pipes.reader_of(fd))


async def connect_writer(fd, factory=RecordingProtocol):
    """Return the transport and protocol that write an fd."""
    loop = asyncio.get_running_loop()
    return await loop.connect_write_pipe(factory, pipes.writer_of(fd))


# ---- what is taken


async def test_what_is_no_pipe_is_refused(tmp_path):
    loop = asyncio.get_running_loop()
    path = tmp_path / "regular"
    path.touch()
    with path.open("rb") as file, path.open("wb") as target:
        with pytest.raises(ValueError, match=r"^Pipe transport is for pipes/sockets only\.$"):
            await loop.connect_read_pipe(RecordingProtocol, file)
        with pytest.raises(
            ValueError, match=r"^Pipe transport is only for pipes, sockets and character devices$"
        ):
            await loop.connect_write_pipe(RecordingProtocol, target)

        assert not file.closed
        assert not target.closed


async def test_pipe_transports_are_asyncio_read_and_write_transports():
    with pipes.pipe() as (read_end, write_end):
        reader, reading = await connect_reader(read_end)
        writer, writing = await connect_writer(write_end)

        assert isinstance(reader, asyncio.ReadTransport)
        assert isinstance(writer, asyncio.WriteTransport)
        assert not isinstance(reader, asyncio.WriteTransport)
        writer.close()
        await reading.closed
        await writing.closed


async def test_extra_info_names_the_pipe():
    with pipes.pipe() as (read_end, _):
        file = pipes.reader_of(read_end)
        transport, protocol = await asyncio.get_running_loop().connect_read_pipe(
            RecordingProtocol, file
        )

        assert transport.get_extra_info("pipe") is file
        assert transport.get_extra_info("socket", "nothing") == "nothing"
        transport.close()
        await protocol.closed
        assert file.closed
        assert transport.get_extra_info("pipe") is file
        assert transport.get_protocol() is None


async def test_pipes_become_non_blocking():
    with pipes.pipe() as (read_end, write_end):
        _, reading = await connect_reader(read_end)
        writer, _ = await connect_writer(write_end)

        assert not os.get_blocking(read_end)
        assert not os.get_blocking(write_end)
        writer.close()
        await reading.closed


# ---- reading


@pytest.mark.parametrize("size", [1, 5000, 65536, 1_000_000])
async def test_what_is_written_is_read(size):
    with pipes.pipe() as (read_end, write_end):
        _, reading = await connect_reader(read_end)
        writer, writing = await connect_writer(write_end)
        data = os.urandom(size)

        writer.write(data)
        writer.close()

        await reading.closed
        assert reading.received == data
        assert reading.lost_with is writing.lost_with is None


async def test_the_end_of_a_pipe_is_told_by_eof_received_then_connection_lost():
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await connect_reader(read_end)

        os.close(write_end)
        await protocol.closed

        assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]
        assert protocol.lost_with is None
        assert transport.is_closing()


async def test_eof_received_cannot_keep_a_pipe_open():
    class Keeping(RecordingProtocol):
        def eof_received(self):
            super().eof_received()
            return True

    with pipes.pipe() as (read_end, write_end):
        _, protocol = await connect_reader(read_end, Keeping)
        os.close(write_end)
        await protocol.closed
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


async def test_data_before_the_end_is_delivered_first():
    with pipes.pipe() as (read_end, write_end):
        os.write(write_end, b"last words")
        os.close(write_end)
        _, protocol = await connect_reader(read_end)
        await protocol.closed

        assert protocol.received == b"last words"


async def test_a_paused_reader_gets_nothing_until_it_resumes():
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await connect_reader(read_end)
        transport.pause_reading()
        transport.pause_reading()
        os.write(write_end, b"data")
        await turns(5)
        assert protocol.received == b""
        assert not transport.is_reading()

        transport.resume_reading()
        transport.resume_reading()
        await wait_until(lambda: protocol.received == b"data")

        assert transport.is_reading()
        transport.close()
        await protocol.closed
        assert not transport.is_reading()


async def test_a_reader_paused_in_connection_made_reads_nothing():
    class Pausing(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    with pipes.pipe() as (read_end, write_end):
        os.write(write_end, b"data")
        transport, protocol = await connect_reader(read_end, Pausing)
        await turns(5)
        assert protocol.received == b""
        transport.resume_reading()
        await wait_until(lambda: protocol.received == b"data")
        transport.close()
        await protocol.closed


async def test_closing_a_reader_tells_the_writer():
    with pipes.pipe() as (read_end, write_end):
        reader, reading = await connect_reader(read_end)
        _, writing = await connect_writer(write_end)

        reader.close()
        await writing.closed

        assert reading.calls == writing.calls == ["connection_made", "connection_lost"]
        assert writing.lost_with is None


async def test_an_exception_in_data_received_is_reported_and_ends_nothing():
    class Failing(RecordingProtocol):
        def data_received(self, data):
            super().data_received(data)
            raise ZeroDivisionError

    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await connect_reader(read_end, Failing)
        os.write(write_end, b"one")
        await wait_until(lambda: protocol.received)
        assert isinstance(loops.reports.pop()["exception"], ZeroDivisionError)
        os.write(write_end, b"two")
        await wait_until(lambda: protocol.received == b"onetwo")
        assert isinstance(loops.reports.pop()["exception"], ZeroDivisionError)
        transport.close()
        await protocol.closed


# ---- writing


async def test_a_write_is_in_the_pipe_when_it_returns():
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await connect_writer(write_end)
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
        _, protocol = await connect_writer(write_end)

        os.close(read_end)
        await protocol.closed

        assert protocol.lost_with is None


async def test_a_reader_that_goes_while_output_waits_breaks_the_pipe():
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await connect_writer(write_end)
        transport.write(bytes(1_000_000))

        os.close(read_end)
        await protocol.closed

        assert isinstance(protocol.lost_with, BrokenPipeError)
        assert transport.get_write_buffer_size() == 0


async def test_a_write_to_a_broken_pipe_loses_it_in_the_next_turn(caplog):
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await connect_writer(write_end)
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
        transport, protocol = await connect_writer(write_end)
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
        transport, protocol = await connect_writer(write_end)
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
        transport, protocol = await connect_writer(write_end)
        transport.write(bytes(1_000_000))
        transport.abort()
        await protocol.closed

        assert 0 < pipes.drain(read_end) < 1_000_000
        assert protocol.lost_with is None


async def test_a_socket_is_a_pipe():
    left, right = socket.socketpair()
    loop = asyncio.get_running_loop()
    reader, reading = await loop.connect_read_pipe(RecordingProtocol, left)
    writer, writing = await loop.connect_write_pipe(RecordingProtocol, right)
    writer.write(b"over a socket")
    await wait_until(lambda: reading.received == b"over a socket")

    reader.close()
    await writing.closed

    assert writing.lost_with is None


async def test_set_protocol_changes_who_is_told():
    with pipes.pipe() as (read_end, write_end):
        transport, first = await connect_reader(read_end)
        second = RecordingProtocol()
        transport.set_protocol(second)
        assert transport.get_protocol() is second
        os.write(write_end, b"data")
        os.close(write_end)
        await second.closed
        assert first.calls == ["connection_made"]
        assert second.received == b"data"


async def test_stream_reader_and_writer_work_on_pipes():
    loop = asyncio.get_running_loop()
    with pipes.pipe() as (read_end, write_end):
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipes.reader_of(read_end)
        )
        transport, protocol = await loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, pipes.writer_of(write_end)
        )
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        writer.write(b"line\n" * 50_000)
        drained = loop.create_task(writer.drain())
        for _ in range(50_000):
            assert await reader.readline() == b"line\n"
        await drained
        writer.close()
        assert await reader.read() == b""


# ---- terminals


async def test_a_pty_whose_other_end_closes_ends_without_a_report():
    with pipes.terminal() as (master, slave):
        _, protocol = await connect_reader(master)
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
        transport, protocol = await connect_reader(slave)
        await wait_until(lambda: protocol.received == b"first\nsecond\nthird\n")
        transport.close()
        await protocol.closed


@pytest.mark.parametrize("to_slave", [True, False], ids=["to_slave", "to_master"])
async def test_much_data_passes_through_a_pty(to_slave):
    with pipes.terminal() as (master, slave):
        source, target = (master, slave) if to_slave else (slave, master)
        writer, writing = await connect_writer(source)
        reader, reading = await connect_reader(target)
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
        reader, reading = await connect_reader(slave)
        writer, writing = await connect_writer(duplicate)
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
        transport, protocol = await connect_reader(target)
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


# ---- closing


def test_an_unclosed_pipe_warns(loop):
    with pipes.pipe() as (read_end, write_end):
        ends = [
            loop.run_until_complete(
                loop.connect_read_pipe(asyncio.Protocol, pipes.reader_of(read_end))
            ),
            loop.run_until_complete(
                loop.connect_write_pipe(asyncio.BaseProtocol, pipes.writer_of(write_end))
            ),
        ]
        loop.close()
        assert all("open" in repr(transport) for transport, _ in ends)
        with pytest.warns(ResourceWarning, match="unclosed transport"):
            clear_and_collect(ends)
        for fd in (read_end, write_end):
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fd)


async def test_closing_twice_loses_once():
    with pipes.pipe() as (read_end, write_end):
        reader, reading = await connect_reader(read_end)
        writer, writing = await connect_writer(write_end)
        for transport in (reader, writer):
            transport.close()
            transport.close()
            assert transport.is_closing()
        await reading.closed
        await writing.closed
        await turns(3)
        assert reading.calls.count("connection_lost") == 1
        assert writing.calls.count("connection_lost") == 1
