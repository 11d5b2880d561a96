"""Pipe transports: what they take, what a reader is told, and the end."""

import asyncio
import os
import socket

import pytest

from tests.support import loops, pipes
from tests.support.protocols import RecordingProtocol
from tests.support.waiting import turns, wait_until
from tests.transports.unclosed import clear_and_collect

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
        reader, reading = await pipes.connect_reader(read_end)
        writer, writing = await pipes.connect_writer(write_end)

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
        _, reading = await pipes.connect_reader(read_end)
        writer, _ = await pipes.connect_writer(write_end)

        assert not os.get_blocking(read_end)
        assert not os.get_blocking(write_end)
        writer.close()
        await reading.closed


# ---- reading


@pytest.mark.parametrize("size", [1, 5000, 65536, 1_000_000])
async def test_what_is_written_is_read(size):
    with pipes.pipe() as (read_end, write_end):
        _, reading = await pipes.connect_reader(read_end)
        writer, writing = await pipes.connect_writer(write_end)
        data = os.urandom(size)

        writer.write(data)
        writer.close()

        await reading.closed
        assert reading.received == data
        assert reading.lost_with is writing.lost_with is None


async def test_the_end_of_a_pipe_is_told_by_eof_received_then_connection_lost():
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await pipes.connect_reader(read_end)

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
        _, protocol = await pipes.connect_reader(read_end, Keeping)
        os.close(write_end)
        await protocol.closed
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


async def test_data_before_the_end_is_delivered_first():
    with pipes.pipe() as (read_end, write_end):
        os.write(write_end, b"last words")
        os.close(write_end)
        _, protocol = await pipes.connect_reader(read_end)
        await protocol.closed

        assert protocol.received == b"last words"


async def test_a_paused_reader_gets_nothing_until_it_resumes():
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await pipes.connect_reader(read_end)
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
        transport, protocol = await pipes.connect_reader(read_end, Pausing)
        await turns(5)
        assert protocol.received == b""
        transport.resume_reading()
        await wait_until(lambda: protocol.received == b"data")
        transport.close()
        await protocol.closed


async def test_closing_a_reader_tells_the_writer():
    with pipes.pipe() as (read_end, write_end):
        reader, reading = await pipes.connect_reader(read_end)
        _, writing = await pipes.connect_writer(write_end)

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
        transport, protocol = await pipes.connect_reader(read_end, Failing)
        os.write(write_end, b"one")
        await wait_until(lambda: protocol.received)
        assert isinstance(loops.reports.pop()["exception"], ZeroDivisionError)
        os.write(write_end, b"two")
        await wait_until(lambda: protocol.received == b"onetwo")
        assert isinstance(loops.reports.pop()["exception"], ZeroDivisionError)
        transport.close()
        await protocol.closed


# ---- both ends


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
        transport, first = await pipes.connect_reader(read_end)
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
        reader, reading = await pipes.connect_reader(read_end)
        writer, writing = await pipes.connect_writer(write_end)
        for transport in (reader, writer):
            transport.close()
            transport.close()
            assert transport.is_closing()
        await reading.closed
        await writing.closed
        await turns(3)
        assert reading.calls.count("connection_lost") == 1
        assert writing.calls.count("connection_lost") == 1
