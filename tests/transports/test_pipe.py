"""Pipe transports: what asyncio's do otherwise, or not at all."""

import asyncio
import contextlib
import contextvars
import errno
import os
import socket

import pytest

from tests.core.conftest import make_loop
from tests.support import loops, pipes
from tests.support.protocols import RecordingProtocol
from tests.support.syscalls import calls_between_marks, needs_strace
from tests.support.waiting import turns, wait_until
from tests.transports.unclosed import drop_and_expect_warning

CONNECT = ["connect_read_pipe", "connect_write_pipe"]


def open_end(connect, read_end, write_end):
    """Return the file object of the end that a method connects."""
    if connect == "connect_read_pipe":
        return pipes.reader_of(read_end)
    return pipes.writer_of(write_end)


@pytest.mark.parametrize("connect", CONNECT)
async def test_closed_pipe_is_refused(connect):
    with pipes.pipe() as ends:
        file = open_end(connect, *ends)
        file.close()
        with pytest.raises(ValueError, match="closed file"):
            await getattr(asyncio.get_running_loop(), connect)(RecordingProtocol, file)


def test_closed_loop_takes_no_pipe(loop):
    loop.close()
    with pipes.pipe() as (read_end, _), pipes.reader_of(read_end) as file:
        coroutine = loop.connect_read_pipe(asyncio.Protocol, file)
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            coroutine.send(None)


@pytest.mark.parametrize("data", [None, "text", 5, [1]])
async def test_write_of_no_bytes_is_refused(data):
    with pipes.pipe() as (_, write_end):
        transport, protocol = await asyncio.get_running_loop().connect_write_pipe(
            RecordingProtocol, pipes.writer_of(write_end)
        )
        with pytest.raises(TypeError, match="data argument must be a bytes-like object"):
            transport.write(data)
        transport.close()
        await protocol.closed


async def test_reader_pauses_and_resumes_again_and_again():
    with pipes.pipe() as (read_end, write_end):
        transport, protocol = await asyncio.get_running_loop().connect_read_pipe(
            RecordingProtocol, pipes.reader_of(read_end)
        )
        for _ in range(3):
            transport.pause_reading()
            os.write(write_end, b"x")
            await turns(2)
            transport.resume_reading()
            await turns(2)
        assert protocol.received == b"xxx"
        transport.close()
        await protocol.closed


@needs_strace
def test_pause_and_resume_make_no_system_call():
    calls = calls_between_marks(
        """
        import asyncio, os, ngxloop

        async def main():
            loop = asyncio.get_running_loop()
            read_end, write_end = os.pipe()
            transport, _ = await loop.connect_read_pipe(
                asyncio.Protocol, open(read_end, "rb", buffering=0)
            )
            os.getppid()
            for _ in range(100):
                transport.pause_reading()
                await asyncio.sleep(0)
                transport.resume_reading()
            os.getppid()
            transport.close()
            os.close(write_end)

        ngxloop.run(main())
        """,
        "epoll_ctl",
        "read",
        "poll",
        "fcntl",
    )
    assert not calls


async def test_small_writes_that_waited_keep_their_boundaries():
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    transport, protocol = await loop.connect_write_pipe(RecordingProtocol, left)
    size = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            size += left.send(bytes(10_000))
    for byte in b"abc":
        transport.write(bytes([byte]) * 3000)
    right.setblocking(False)
    packets = []

    def receive():
        with contextlib.suppress(BlockingIOError):
            while packet := right.recv(20_000):
                packets.append(packet)
        return sum(map(len, packets)) == size + 9000

    await wait_until(receive)
    assert b"".join(packets[-3:])[-9000:] == b"a" * 3000 + b"b" * 3000 + b"c" * 3000
    assert len(packets[-1]) in {3000, 6000}  # at most PIPE_BUF bytes are put together
    transport.abort()
    await protocol.closed
    right.close()


async def test_packet_pipe_is_read_to_its_end():
    read_end, write_end = os.pipe2(os.O_DIRECT)
    with pipes.fds(read_end, write_end):
        for packet in (b"one", b"two", b"three"):
            os.write(write_end, packet)
        transport, protocol = await asyncio.get_running_loop().connect_read_pipe(
            RecordingProtocol, pipes.reader_of(read_end)
        )
        await wait_until(lambda: protocol.received == b"onetwothree")
        assert protocol.calls.count("data_received") == 3
        transport.close()
        await protocol.closed


async def test_dev_zero_is_read_in_turns():
    loop = asyncio.get_running_loop()
    device = pipes.reader_of(os.open("/dev/zero", os.O_RDONLY))
    transport, protocol = await loop.connect_read_pipe(RecordingProtocol, device)
    await wait_until(lambda: protocol.calls.count("data_received") > 2)
    transport.pause_reading()
    await turns(2)
    count = len(protocol.received)
    await turns(2)
    assert len(protocol.received) == count
    transport.resume_reading()
    await wait_until(lambda: len(protocol.received) > count)
    transport.close()
    await protocol.closed


async def test_fd_that_add_reader_watches_stays_watched():
    loop = asyncio.get_running_loop()
    with pipes.terminal() as (master, slave):
        seen = []
        loop.add_writer(slave, seen.append, "writable")
        transport, protocol = await loop.connect_read_pipe(
            RecordingProtocol, pipes.reader_of(slave)
        )
        await wait_until(lambda: seen)
        os.write(master, b"x")
        await wait_until(lambda: protocol.received == b"x")
        loop.remove_writer(slave)
        transport.close()
        await protocol.closed


async def test_pipe_whose_close_fails_is_reported_and_given_back():
    class Stubborn:
        def __init__(self, fd):
            self.fd = fd

        def fileno(self):
            return self.fd

        def close(self):
            raise ZeroDivisionError

    loop = asyncio.get_running_loop()
    with pipes.pipe() as (read_end, _):
        transport, protocol = await loop.connect_read_pipe(RecordingProtocol, Stubborn(read_end))
        transport.close()
        await protocol.closed
        await wait_until(lambda: loops.reports)
        assert isinstance(loops.reports.pop()["exception"], ZeroDivisionError)
        assert "closed" in repr(transport)
        loop.add_reader(read_end, lambda: None)
        loop.remove_reader(read_end)


@pytest.mark.parametrize("connect", CONNECT)
async def test_protocol_runs_in_one_context(connect):
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    class Looking(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(variable.get())
            variable.set("inside")

        def connection_lost(self, exc):
            seen.append(variable.get())
            super().connection_lost(exc)

    variable.set("caller")
    with pipes.pipe() as ends:
        transport, protocol = await getattr(asyncio.get_running_loop(), connect)(
            Looking, open_end(connect, *ends)
        )
        variable.set("later")
        transport.close()
        await protocol.closed
    assert seen == ["caller", "inside"]


METHODS = [
    lambda t: t.close(),
    lambda t: t.abort(),
    lambda t: t.is_closing(),
    lambda t: t.get_protocol(),
    lambda t: t.set_protocol(asyncio.Protocol()),
    lambda t: t.get_extra_info("pipe"),
    lambda t: t._fatal_error(OSError(errno.EIO, "")),
    lambda t: t._force_close(None),
    lambda t: t._extra,
    lambda t: t._pipe,
    lambda t: t._fileno,
    repr,
    hash,
]
READ_METHODS = [
    lambda t: t.pause_reading(),
    lambda t: t.resume_reading(),
    lambda t: t.is_reading(),
]
WRITE_METHODS = [
    lambda t: t.write(b"x"),
    lambda t: t.writelines([b"x", b"y"]),
    lambda t: t.write_eof(),
    lambda t: t.can_write_eof(),
    lambda t: t.get_write_buffer_size(),
    lambda t: t.get_write_buffer_limits(),
    lambda t: t.set_write_buffer_limits(0),
    lambda t: t._buffer,
]
ENDS = {"connect_read_pipe": METHODS + READ_METHODS, "connect_write_pipe": METHODS + WRITE_METHODS}


@pytest.mark.parametrize("connect", CONNECT)
async def test_methods_of_lost_pipe_are_harmless(connect):
    with pipes.pipe() as ends:
        transport, protocol = await getattr(asyncio.get_running_loop(), connect)(
            RecordingProtocol, open_end(connect, *ends)
        )
        transport.abort()
        await protocol.closed
        for method in ENDS[connect]:
            method(transport)
        await turns(2)
    assert protocol.calls == ["connection_made", "connection_lost"]


@pytest.mark.parametrize("connect", CONNECT)
def test_methods_of_pipe_of_closed_loop_are_harmless(connect):
    loop = make_loop()
    with pipes.pipe() as ends:
        kept = [
            *loop.run_until_complete(
                getattr(loop, connect)(asyncio.Protocol, open_end(connect, *ends))
            )
        ]
        loop.close()
        for method in ENDS[connect]:
            with contextlib.suppress(RuntimeError):  # Event loop is closed
                method(kept[0])
        drop_and_expect_warning(kept, "(Read|Write)PipeTransport")


@pytest.mark.parametrize("connect", CONNECT)
def test_pipe_made_by_hand_is_harmless(loop, connect):
    with pipes.pipe() as ends:
        transport, _ = loop.run_until_complete(
            getattr(loop, connect)(asyncio.Protocol, open_end(connect, *ends))
        )
        made_by_hand = type(transport).__new__(type(transport))
        for method in ENDS[connect]:
            with contextlib.suppress(TypeError, RuntimeError):
                method(made_by_hand)
        with pytest.raises(TypeError, match="pipe transports are made by connect_read_pipe"):
            type(transport)()
        transport.close()
        loop.run_until_complete(turns(2))
