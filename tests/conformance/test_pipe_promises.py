"""Pipe transports: what they take, how each end hears of the other's end, pseudo terminals."""

import asyncio
import contextlib
import os
import pty
import socket
import sys

import pytest

from tests.support.waiting import turns, wait_until


class Recorder(asyncio.Protocol):
    """Record what a pipe transport tells, in order."""

    def __init__(self):
        self.calls = []
        self.received = b""
        self.lost_with = "not lost"
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.calls.append("connection_made")

    def data_received(self, data):
        self.received += data

    def eof_received(self):
        self.calls.append("eof_received")

    def pause_writing(self):
        self.calls.append("pause_writing")

    def resume_writing(self):
        self.calls.append("resume_writing")

    def connection_lost(self, exc):
        self.calls.append("connection_lost")
        self.lost_with = exc
        self.closed.set_result(None)


def file_of(end, mode):
    return open(end, mode, buffering=0)


async def end(transport, protocol):
    if not transport.is_closing():
        transport.abort() if isinstance(transport, asyncio.WriteTransport) else transport.close()
    await protocol.closed


@contextlib.asynccontextmanager
async def read_end():
    """Give a read pipe transport, its protocol, and the other end's fd, which the user closes."""
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_read_pipe(Recorder, file_of(reading, "rb"))
    try:
        yield transport, protocol, writing
    finally:
        await end(transport, protocol)


@contextlib.asynccontextmanager
async def write_end():
    """Give a write pipe transport, its protocol, and the other end's fd, which the user closes."""
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(Recorder, file_of(writing, "wb"))
    try:
        yield transport, protocol, reading
    finally:
        await end(transport, protocol)


async def test_pipe_transports_are_asyncio_read_and_write_transports():
    async with read_end() as (transport, _, fd):
        assert isinstance(transport, asyncio.ReadTransport)
        assert not isinstance(transport, asyncio.WriteTransport)
        os.close(fd)
    async with write_end() as (transport, _, fd):
        assert isinstance(transport, asyncio.WriteTransport)
        os.close(fd)


@pytest.mark.parametrize("method", ["connect_read_pipe", "connect_write_pipe"])
async def test_what_is_no_pipe_is_refused(method, tmp_path):
    loop = asyncio.get_running_loop()
    message = {
        "connect_read_pipe": r"^Pipe transport is for pipes/sockets only\.$",
        "connect_write_pipe": "^Pipe transport is only for pipes, sockets and character devices$",
    }[method]
    with (tmp_path / "regular").open("w+b", buffering=0) as file:
        with pytest.raises(ValueError, match=message):
            await getattr(loop, method)(Recorder, file)
        file.write(b"the file is still open")


async def test_data_arrives_and_the_fd_is_made_non_blocking():
    async with read_end() as (transport, protocol, fd):
        assert not os.get_blocking(transport.get_extra_info("pipe").fileno())
        os.write(fd, b"hello")
        await wait_until(lambda: protocol.received == b"hello")
        os.close(fd)


async def test_the_end_of_a_pipe_is_told_by_eof_received_then_connection_lost():
    async with read_end() as (_, protocol, fd):
        os.write(fd, b"last")
        os.close(fd)
        await protocol.closed

    assert protocol.received == b"last"
    assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]
    assert protocol.lost_with is None


async def test_a_paused_read_pipe_receives_nothing():
    async with read_end() as (transport, protocol, fd):
        transport.pause_reading()
        assert not transport.is_reading()
        os.write(fd, b"hello")
        await turns(5)
        assert protocol.received == b""

        transport.resume_reading()
        await wait_until(lambda: protocol.received == b"hello")
        os.close(fd)


async def test_what_is_written_arrives_before_the_end():
    async with write_end() as (transport, protocol, fd):
        transport.write(b"hello")
        transport.write_eof()
        await protocol.closed
        assert os.read(fd, 100) == b"hello"
        assert os.read(fd, 100) == b""
        os.close(fd)

    assert protocol.lost_with is None


async def test_more_than_a_pipe_holds_arrives_whole():
    data = bytes(range(256)) * 4096
    async with write_end() as (transport, protocol, fd):
        os.set_blocking(fd, False)
        transport.write(data)
        assert transport.get_write_buffer_size() > 0
        assert "pause_writing" in protocol.calls
        transport.close()
        received = bytearray()

        def ended():
            with contextlib.suppress(BlockingIOError):
                while chunk := os.read(fd, 65536):
                    received.extend(chunk)
                return True
            return False

        await wait_until(ended)
        await protocol.closed
        os.close(fd)

    assert received == data


async def test_a_write_pipe_notices_that_its_reader_has_gone():
    async with write_end() as (_, protocol, fd):
        os.close(fd)
        await protocol.closed

    assert protocol.lost_with is None


async def test_a_write_pipe_whose_reader_goes_with_data_waiting_is_lost_with_an_error():
    async with write_end() as (transport, protocol, fd):
        transport.write(bytes(1 << 20))
        os.close(fd)
        await protocol.closed

    assert isinstance(protocol.lost_with, BrokenPipeError)


async def test_write_refuses_what_is_not_bytes_like():
    async with write_end() as (transport, _, fd):
        for data in ("text", None):
            with pytest.raises((TypeError, AssertionError)):
                transport.write(data)
        os.close(fd)


async def test_a_socket_works_as_a_pipe():
    loop = asyncio.get_running_loop()
    ours, peer = socket.socketpair()
    with peer:
        ours.setblocking(False)
        transport, protocol = await loop.connect_read_pipe(Recorder, ours)
        peer.send(b"hello")
        await wait_until(lambda: protocol.received == b"hello")
        transport.close()
        await protocol.closed


async def test_a_pty_whose_other_end_closes_ends_without_a_report():
    loop = asyncio.get_running_loop()
    master, slave = pty.openpty()
    transport, protocol = await loop.connect_read_pipe(Recorder, file_of(master, "rb"))
    os.write(slave, b"hello")
    await wait_until(lambda: protocol.received == b"hello")
    os.close(slave)
    await protocol.closed
    transport.close()

    assert protocol.calls[-1] == "connection_lost"
    assert protocol.lost_with is None or protocol.lost_with.errno == 5


async def test_both_directions_of_a_pty_work():
    loop = asyncio.get_running_loop()
    master, slave = pty.openpty()
    other = os.dup(master)
    reader, read_protocol = await loop.connect_read_pipe(Recorder, file_of(master, "rb"))
    writer, write_protocol = await loop.connect_write_pipe(Recorder, file_of(other, "wb"))
    os.write(slave, b"out")
    writer.write(b"in\n")
    await wait_until(lambda: b"out" in read_protocol.received)
    assert os.read(slave, 100) == b"in\n"
    for transport, protocol in ((reader, read_protocol), (writer, write_protocol)):
        transport.close()
        await protocol.closed
    os.close(slave)


async def test_methods_of_a_lost_pipe_do_no_harm():
    async with write_end() as (transport, protocol, fd):
        os.close(fd)
        await protocol.closed
        transport.write(b"x")
        transport.write_eof()
        transport.close()
        assert transport.is_closing()


@pytest.mark.skipif(sys.platform != "linux", reason="a device of Linux")
async def test_a_character_device_can_be_written_to():
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(Recorder, file_of("/dev/null", "wb"))
    transport.write(b"x" * 100)
    transport.close()
    await protocol.closed
