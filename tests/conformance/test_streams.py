"""start_server and open_connection: asyncio's streams on the transports of the loop."""

import asyncio
import socket

import pytest

from tests.support.sockets import LOOPBACK
from tests.support.streams import address_of
from tests.support.waiting import turns


async def echo_lines(reader, writer):
    """Send back every line until the peer's end of stream."""
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def close(writer):
    """Close a stream, and let the other end notice."""
    writer.close()
    await writer.wait_closed()
    await turns(5)


async def test_lines_go_there_and_back():
    async with await asyncio.start_server(echo_lines, LOOPBACK, 0) as server:
        reader, writer = await asyncio.open_connection(*address_of(server))
        for number in range(100):
            writer.write(b"line %d\n" % number)
            assert await reader.readline() == b"line %d\n" % number
        await close(writer)


async def test_readexactly_reads_what_arrives_in_pieces():
    async def in_pieces(_, writer):
        for number in range(50):
            writer.write(b"%02d" % number)
            await asyncio.sleep(0)
        await close(writer)

    async with await asyncio.start_server(in_pieces, LOOPBACK, 0) as server:
        reader, writer = await asyncio.open_connection(*address_of(server))
        assert await reader.readexactly(100) == b"".join(b"%02d" % n for n in range(50))
        assert await reader.read() == b""
        await close(writer)


async def test_readexactly_raises_at_the_end_of_stream():
    async def short(_, writer):
        writer.write(b"abc")
        await close(writer)

    async with await asyncio.start_server(short, LOOPBACK, 0) as server:
        reader, writer = await asyncio.open_connection(*address_of(server))
        with pytest.raises(asyncio.IncompleteReadError) as raised:
            await reader.readexactly(4)
        assert raised.value.partial == b"abc"
        await close(writer)


async def test_the_reader_pauses_the_transport_at_its_limit_and_goes_on_when_read():
    data = bytes(range(256)) * 4_000

    async def flood(_, writer):
        writer.write(data)
        await writer.drain()
        await close(writer)

    async with await asyncio.start_server(flood, LOOPBACK, 0) as server:
        reader, writer = await asyncio.open_connection(*address_of(server), limit=1000)
        received = bytearray()
        while chunk := await reader.read(500):
            received += chunk
            await asyncio.sleep(0)
        assert received == data
        await close(writer)


async def test_drain_waits_for_a_reader_that_is_slow():
    data = bytes(20_000_000)
    received = 0

    async def count(reader, writer):
        nonlocal received
        while chunk := await reader.read(100_000):
            received += len(chunk)
        await close(writer)

    async with await asyncio.start_server(count, LOOPBACK, 0) as server:
        _, writer = await asyncio.open_connection(*address_of(server))
        writer.write(data)
        await writer.drain()
        assert writer.transport.get_write_buffer_size() <= 64 * 1024
        await close(writer)
        while received < len(data):
            await asyncio.sleep(0.001)


async def test_write_eof_lets_the_peer_answer():
    async def answer(reader, writer):
        writer.write(b"got " + await reader.read())
        await close(writer)

    async with await asyncio.start_server(answer, LOOPBACK, 0) as server:
        reader, writer = await asyncio.open_connection(*address_of(server))
        writer.write(b"everything")
        writer.write_eof()
        assert await reader.read() == b"got everything"
        await close(writer)


async def test_a_reset_by_the_peer_is_raised_by_read_and_drain():
    async def reset(_, writer):
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()

    async with await asyncio.start_server(reset, LOOPBACK, 0) as server:
        reader, writer = await asyncio.open_connection(*address_of(server))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionResetError):
            await writer.drain()
        writer.close()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()


async def test_many_clients_talk_at_once():
    async def talk(name):
        reader, writer = await asyncio.open_connection(*address_of(server))
        for number in range(20):
            line = b"%d:%d\n" % (name, number)
            writer.write(line)
            assert await reader.readline() == line
        await close(writer)

    async with await asyncio.start_server(echo_lines, LOOPBACK, 0, backlog=100) as server:
        await asyncio.gather(*(talk(name) for name in range(50)))


async def test_a_read_can_be_given_a_time_limit_and_repeated():
    async with await asyncio.start_server(echo_lines, LOOPBACK, 0) as server:
        reader, writer = await asyncio.open_connection(*address_of(server))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readline(), 0.005)
        writer.write(b"now\n")
        assert await reader.readline() == b"now\n"
        await close(writer)


async def test_an_exception_of_the_handler_is_reported_and_the_connection_closed(reports):
    async def fail(_reader, _writer):
        raise ZeroDivisionError

    async with await asyncio.start_server(fail, LOOPBACK, 0) as server:
        _, writer = await asyncio.open_connection(*address_of(server))
        while not reports:
            await asyncio.sleep(0.001)
        await close(writer)

    assert isinstance(reports.pop()["exception"], ZeroDivisionError)
