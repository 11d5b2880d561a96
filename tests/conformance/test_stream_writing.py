"""write, writelines and write_eof of a stream transport."""

import array
import asyncio
import logging
import socket
import sys

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import EchoProtocol, HalfOpenProtocol, RecordingProtocol
from tests.support.sockets import receive, receive_until_eof, reset
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until

LARGE = bytes(range(256)) * 16_000


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_write_sends_any_bytes_like_object(kind):
    async with connected() as (transport, _, peer):
        transport.write(kind(b"hello"))
        assert await receive(peer, 5) == b"hello"


async def test_write_sends_all_bytes_of_a_memoryview_of_wider_items():
    numbers = array.array("I", range(1000))
    async with connected() as (transport, _, peer):
        transport.write(memoryview(numbers))
        assert await receive(peer, 4000) == numbers.tobytes()


async def test_write_sends_a_part_of_a_memoryview():
    async with connected() as (transport, _, peer):
        transport.write(memoryview(b"0123456789")[3:7])
        assert await receive(peer, 4) == b"3456"


async def test_writes_arrive_in_their_order():
    async with connected() as (transport, _, peer):
        for number in range(1000):
            transport.write(b"%04d" % number)
        received = await receive(peer, 4000)

    assert received == b"".join(b"%04d" % number for number in range(1000))


async def test_more_than_the_kernel_takes_arrives_whole():
    async with connected() as (transport, _, peer):
        transport.write(LARGE)
        assert transport.get_write_buffer_size() > 0
        received = await receive(peer, len(LARGE))
        assert transport.get_write_buffer_size() == 0

    assert received == LARGE


async def test_writes_behind_a_large_one_arrive_in_their_order():
    async with connected() as (transport, _, peer):
        transport.write(LARGE)
        transport.write(b"small")
        transport.writelines([b"several ", bytearray(b"small "), memoryview(b"ones")])
        transport.write(LARGE)
        expected = LARGE + b"smallseveral small ones" + LARGE
        received = await receive(peer, len(expected))

    assert received == expected


async def test_writes_from_many_callbacks_of_one_turn_arrive_in_their_order():
    loop = asyncio.get_running_loop()
    async with connected() as (transport, _, peer):
        for number in range(100):
            loop.call_soon(transport.write, b"%02d" % number)
        received = await receive(peer, 200)

    assert received == b"".join(b"%02d" % number for number in range(100))


async def test_an_answer_written_in_data_received_arrives():
    async with connected(EchoProtocol) as (_, _, peer):
        for number in range(50):
            peer.send(b"%02d" % number)
            assert await receive(peer, 2) == b"%02d" % number


async def test_what_was_written_reaches_the_kernel_before_the_loop_sleeps():
    async with connected() as (transport, _, peer):
        transport.write(b"hello")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert peer.recv(100) == b"hello"


@pytest.mark.parametrize("lines", [[], [b""], [b"", b""]], ids=str)
async def test_writelines_of_nothing_does_nothing(lines):
    if sys.version_info < (3, 14) and lines and is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio sends an empty message")
    async with connected() as (transport, protocol, peer):
        transport.writelines(lines)
        await turns(3)
        transport.write(b"x")
        assert await receive(peer, 1) == b"x"
        assert protocol.calls == ["connection_made"]


@pytest.mark.parametrize("kind", [list, tuple, iter], ids=lambda kind: kind.__name__)
async def test_writelines_sends_every_line(kind):
    if kind is iter and is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio wants a sequence from Python 3.12 on")
    async with connected() as (transport, _, peer):
        transport.writelines(kind([b"one ", bytearray(b"two "), memoryview(b"three")]))
        assert await receive(peer, 13) == b"one two three"


async def test_writelines_of_more_lines_than_one_call_takes_arrives_whole():
    lines = [b"%05d" % number for number in range(5000)]
    async with connected() as (transport, _, peer):
        transport.writelines(lines)
        assert await receive(peer, 25_000) == b"".join(lines)


async def test_write_of_nothing_does_nothing():
    async with connected() as (transport, protocol, peer):
        transport.write(b"")
        transport.write(bytearray())
        transport.write(memoryview(b""))
        await turns(3)
        assert transport.get_write_buffer_size() == 0
        transport.write(b"x")
        assert await receive(peer, 1) == b"x"
        assert protocol.calls == ["connection_made"]


@pytest.mark.parametrize("data", ["text", None, 42, [b"list"]], ids=str)
async def test_write_refuses_what_is_not_bytes_like(data):
    async with connected() as (transport, _, peer):
        with pytest.raises(TypeError, match=type(data).__name__):
            transport.write(data)
        transport.write(b"x")
        assert await receive(peer, 1) == b"x"


async def test_a_bytearray_may_be_changed_after_write():
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info >= (3, 12):
        pytest.skip("asyncio sends what the bytearray holds when the kernel takes it")
    async with connected() as (transport, _, peer):
        transport.write(LARGE)  # so that what follows has to wait
        data = bytearray(b"before")
        transport.write(data)
        view = memoryview(bytearray(b"before"))
        transport.write(view)
        data[:] = b"AFTER!"
        view[:] = b"AFTER!"
        data.clear()
        received = await receive(peer, len(LARGE) + 12)

    assert received[-12:] == b"beforebefore"


async def test_get_write_buffer_size_counts_what_the_kernel_has_not_taken():
    async with connected() as (transport, _, peer):
        assert transport.get_write_buffer_size() == 0
        transport.write(b"the kernel takes this at once")
        assert transport.get_write_buffer_size() == 0

        transport.write(LARGE)
        waiting = transport.get_write_buffer_size()
        assert 0 < waiting < len(LARGE)
        transport.write(bytes(1000))
        assert transport.get_write_buffer_size() == waiting + 1000

        await receive(peer, 29 + len(LARGE) + 1000)
        await wait_until(lambda: transport.get_write_buffer_size() == 0)


async def test_write_eof_ends_the_stream_after_what_was_written():
    async with connected(HalfOpenProtocol) as (transport, protocol, peer):
        assert transport.can_write_eof() is True
        transport.write(LARGE)
        transport.write_eof()
        assert await receive_until_eof(peer) == LARGE

        peer.send(b"answer")
        await wait_until(lambda: protocol.received == b"answer")
        assert not transport.is_closing()


async def test_write_eof_can_be_repeated():
    async with connected(HalfOpenProtocol) as (transport, _, peer):
        transport.write_eof()
        transport.write_eof()
        assert await receive_until_eof(peer) == b""


async def test_write_after_write_eof_is_refused():
    async with connected(HalfOpenProtocol) as (transport, _, _):
        transport.write_eof()
        with pytest.raises(RuntimeError, match=r"^Cannot call write\(\) after write_eof\(\)$"):
            transport.write(b"x")
        with pytest.raises(RuntimeError, match=r"^Cannot call write(lines)?\(\) after write_eof"):
            transport.writelines([b"x"])


async def test_write_eof_of_a_closing_transport_does_nothing():
    async with connected() as (transport, protocol, _):
        transport.close()
        transport.write_eof()
        await protocol.closed

    assert protocol.lost_with is None


async def test_an_error_of_write_is_given_to_connection_lost_and_not_raised():
    async with connected() as (transport, protocol, peer):
        transport.pause_reading()  # so that the error is not seen by reading first
        reset(peer)
        while not transport.is_closing():
            transport.write(b"x")
            assert "connection_lost" not in protocol.calls
            await turns(1)
        await protocol.closed

    assert isinstance(protocol.lost_with, ConnectionResetError | BrokenPipeError)


async def test_writes_after_the_connection_is_lost_are_dropped_silently():
    async with connected() as (transport, protocol, _):
        transport.abort()
        transport.write(b"before connection_lost")
        await protocol.closed
        transport.write(b"after connection_lost")
        await turns(2)

    assert protocol.calls.count("connection_lost") == 1


async def test_writes_after_the_connection_is_lost_are_logged_from_the_fifth_on(caplog):
    async with connected() as (transport, protocol, _):
        transport.abort()
        await protocol.closed
        with caplog.at_level(logging.WARNING, "asyncio"):
            for _ in range(4):
                transport.write(b"x")
            assert not caplog.records
            transport.write(b"x")

    assert [record.getMessage() for record in caplog.records] == ["socket.send() raised exception."]


async def test_what_is_written_in_connection_made_arrives():
    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"hello")

    async with connected(Protocol) as (_, _, peer):
        assert await receive(peer, 5) == b"hello"


async def test_what_is_written_before_connection_made_arrives():
    async with connected() as (transport, _, peer):
        second = RecordingProtocol()
        transport.set_protocol(second)
        transport.write(b"hello")
        assert await receive(peer, 5) == b"hello"


async def test_what_is_written_in_eof_received_arrives_before_the_end_of_stream():
    class Protocol(RecordingProtocol):
        def eof_received(self):
            super().eof_received()
            self.transport.write(b"bye")

    async with connected(Protocol) as (_, _, peer):
        peer.shutdown(socket.SHUT_WR)
        assert await receive_until_eof(peer) == b"bye"


async def test_reading_goes_on_while_writing_waits():
    async with connected() as (transport, protocol, peer):
        transport.write(LARGE)
        peer.send(b"hello")
        await wait_until(lambda: protocol.received == b"hello")
        assert transport.get_write_buffer_size() > 0
        assert await receive(peer, len(LARGE)) == LARGE


@pytest.mark.parametrize("lines", [[b"a", "text"], [b"a", None], "text", 42], ids=str)
async def test_writelines_of_what_is_not_bytes_like_sends_nothing(lines):
    if is_stdlib(asyncio.get_running_loop()):
        if sys.version_info < (3, 12):
            pytest.skip("asyncio joins the lines first, with the words of bytes.join")
        if sys.version_info >= (3, 14) and isinstance(lines, list):
            pytest.skip("asyncio leaves out what is false, and what stands before the error waits")
    async with connected() as (transport, _, peer):
        with pytest.raises(TypeError):
            transport.writelines(lines)
        transport.write(b"x")
        assert await receive(peer, 1) == b"x"


async def test_a_memoryview_with_gaps_is_sent_as_its_bytes():
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio ends the connection with a BufferError")
    async with connected() as (transport, _, peer):
        transport.write(memoryview(b"0123456789")[::2])
        assert await receive(peer, 5) == b"02468"
