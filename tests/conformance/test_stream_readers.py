"""How what a connection receives comes to a StreamReader, and who may step in on the way."""

import asyncio
import contextlib
import socket

import pytest

from tests.support.randomness import printed_random
from tests.support.sockets import reset, tcp_pair, unix_pair
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until

Reader, Protocol = asyncio.StreamReader, asyncio.StreamReaderProtocol

# So many bytes that as many are expected of the next receives.
MUCH = 90_000


@contextlib.asynccontextmanager
async def reading(reader=None, protocol_class=Protocol, pair=tcp_pair, **options):
    """Give a reader, its protocol, its transport, and the socket at the other end."""
    reader = reader or Reader(**options)
    async with connected(lambda: protocol_class(reader), pair) as (transport, protocol, peer):
        yield reader, protocol, transport, peer


def recorded(seen, function):
    """Return a function that notes its last argument and goes on as ever."""

    def wrapper(*args):
        seen.append(args[-1])
        return function(*args)

    return wrapper


async def test_what_comes_before_anybody_reads_is_kept():
    async with reading() as (reader, _, _, peer):
        for piece in (b"one ", b"two ", b"three"):
            peer.send(piece)
            await wait_until(lambda piece=piece: reader._buffer.endswith(piece))
        assert type(reader._buffer) is bytearray
        assert await reader.readexactly(13) == b"one two three"


async def test_who_waits_is_woken_once_and_the_waiter_is_gone():
    async with reading() as (reader, _, _, peer):
        task = asyncio.ensure_future(reader.read(100))
        await wait_until(lambda: reader._waiter)
        waiter = reader._waiter
        peer.send(b"data")
        assert await task == b"data"
        assert waiter.result() is None
        assert reader._waiter is None


async def test_data_is_not_lost_when_the_one_who_waits_is_cancelled():
    async with reading() as (reader, _, _, peer):
        task = asyncio.ensure_future(reader.read(100))
        await wait_until(lambda: reader._waiter)
        reader._waiter.cancel()  # the task learns of it later than of the data
        peer.send(b"data")
        await wait_until(lambda: reader._buffer)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await reader.read(100) == b"data"


@pytest.mark.parametrize("limit", [10, 10.0])
async def test_the_transport_is_paused_above_twice_the_limit(limit):
    async with reading(limit=limit) as (reader, _, transport, peer):
        peer.send(bytes(20))
        await wait_until(lambda: len(reader._buffer) == 20)
        assert transport.is_reading()
        assert not reader._paused
        peer.send(b"x")
        await wait_until(lambda: reader._paused)
        assert not transport.is_reading()
        assert len(await reader.read(15)) == 15
        assert transport.is_reading()
        assert not reader._paused


async def test_a_limit_may_change_while_connected():
    async with reading() as (reader, _, transport, peer):
        reader._limit = 1
        peer.send(b"abc")
        await wait_until(lambda: reader._paused)
        assert not transport.is_reading()


async def test_a_transport_that_cannot_pause_is_forgotten():
    class Unpausable:
        def pause_reading(self):
            raise NotImplementedError

    async with reading(limit=1) as (reader, _, _, peer):
        reader._transport = Unpausable()
        peer.send(b"abc")
        await wait_until(lambda: reader._buffer)
        assert reader._transport is None
        assert not reader._paused


async def test_data_for_a_reader_that_is_gone_is_dropped():
    async with reading() as (reader, protocol, transport, peer):
        protocol._stream_reader_wr = None
        peer.send(b"lost")
        await turns(5)
        assert reader._buffer == b""
        assert not transport.is_closing()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Protocol, "data_received"),
        (Reader, "feed_data"),
        (Reader, "_wakeup_waiter"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_a_method_patched_in_the_class_is_called(owner, name, monkeypatch):
    seen = []
    async with reading() as (reader, _, _, peer):
        peer.send(b"before ")
        await reader.read(100)
        monkeypatch.setattr(owner, name, recorded(seen, getattr(owner, name)))
        peer.send(b"patched")
        assert await reader.read(100) == b"patched"
        assert seen == [reader if name == "_wakeup_waiter" else b"patched"]
        monkeypatch.undo()
        peer.send(b"after")
        assert await reader.read(100) == b"after"
        assert len(seen) == 1


@pytest.mark.parametrize("name", ["data_received", "feed_data"])
async def test_a_method_patched_in_the_instance_is_called(name):
    seen = []
    async with reading() as (reader, protocol, _, peer):
        owner = protocol if name == "data_received" else reader
        setattr(owner, name, recorded(seen, getattr(owner, name)))
        peer.send(b"patched")
        assert await reader.read(100) == b"patched"
        assert seen == [b"patched"]
        assert type(seen[0]) is bytes
        delattr(owner, name)
        peer.send(b"after")
        assert await reader.read(100) == b"after"
        assert len(seen) == 1


async def test_a_waker_patched_in_the_instance_is_called():
    calls = []
    async with reading() as (reader, _, _, peer):
        reader._wakeup_waiter = lambda: calls.append(bytes(reader._buffer))
        peer.send(b"data")
        await wait_until(lambda: calls)
        assert calls == [b"data"]
        del reader._wakeup_waiter


async def test_a_reader_found_by_a_patched_property_is_fed(monkeypatch):
    other = Reader()
    async with reading() as (reader, _, _, peer):
        monkeypatch.setattr(Protocol, "_stream_reader", property(lambda _: other))
        peer.send(b"data")
        assert await other.read(100) == b"data"
        assert reader._buffer == b""


async def test_a_class_of_reader_that_overrides_feed_data_is_called():
    seen = []

    class Recording(Reader):
        def feed_data(self, data):
            seen.append(data)
            super().feed_data(data)

    async with reading(Recording()) as (reader, _, _, peer):
        peer.send(b"data")
        assert await reader.read(100) == b"data"
        assert seen == [b"data"]


async def test_a_class_of_protocol_that_overrides_data_received_is_called():
    seen = []

    class Recording(Protocol):
        def data_received(self, data):
            seen.append(data)
            super().data_received(data)

    async with reading(protocol_class=Recording) as (reader, _, _, peer):
        peer.send(b"data")
        assert await reader.read(100) == b"data"
        assert seen == [b"data"]


async def test_a_reader_is_fed_by_a_protocol_that_came_later():
    async with connected() as (transport, first, peer):
        peer.send(b"first")
        await wait_until(lambda: first.received)
        reader = Reader()
        protocol = Protocol(reader)
        transport.set_protocol(protocol)
        reader.set_transport(transport)
        peer.send(b"second")
        assert await reader.read(100) == b"second"
        transport.set_protocol(first)
        peer.send(b" third")
        await wait_until(lambda: first.received == b"first third")
        protocol.connection_lost(None)


def note_errors():
    """Return the list of contexts that the running loop's exception handler is called with."""
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    return errors


def end(reader):
    reader.feed_eof()


def show(reader):
    reader.view = memoryview(reader._buffer)


def finish(reader):
    reader._waiter = asyncio.get_running_loop().create_future()
    reader._waiter.set_result(None)


@pytest.mark.parametrize(
    ("spoil", "error", "text"),
    [
        (end, AssertionError, "feed_data after feed_eof"),
        (show, BufferError, "Existing exports of data: object cannot be re-sized"),
        (finish, asyncio.InvalidStateError, "invalid state"),
    ],
)
@pytest.mark.parametrize("before", [0, MUCH], ids=["at_first", "after_much"])
async def test_a_reader_that_cannot_be_fed_ends_the_connection(spoil, error, text, before):
    errors = note_errors()
    async with reading() as (reader, protocol, transport, peer):
        peer.sendall(bytes(before))
        await wait_until(lambda: len(reader._buffer) == before)
        spoil(reader)
        peer.send(b"data")
        await wait_until(lambda: errors)
        assert transport.is_closing()
        await wait_until(lambda: reader.exception() is not None)
    (context,) = errors
    assert context["message"] == "Fatal error: protocol.data_received() call failed."
    assert context["protocol"] is protocol
    assert context["transport"] is transport
    assert type(context["exception"]) is error
    assert str(context["exception"]) == text
    assert reader.exception() is context["exception"]


AFTER_MUCH = {
    "the_same": [MUCH, MUCH],
    "more": [150_000],
    "a_little_more": [MUCH + MUCH // 8 + 1, MUCH],
    "less": [10, MUCH, 1],
    "growing": [100_000, 120_000, 140_000, 160_000],
}


@pytest.mark.parametrize("sizes", AFTER_MUCH.values(), ids=AFTER_MUCH)
@pytest.mark.parametrize("left", [0, 1, 40_000], ids=lambda n: f"{n}_left")
async def test_after_much_has_come_everything_comes_in_order(sizes, left):
    rng = printed_random()
    sent, received = b"", b""
    async with reading(limit=2**20, pair=unix_pair) as (reader, _, _, peer):
        for size in [MUCH, *sizes]:
            data = rng.randbytes(size)
            assert peer.send(data) == size, "the kernel has it all before the loop looks"
            sent += data
            await wait_until(lambda: len(received) + len(reader._buffer) == len(sent))  # noqa: B023
            received += await reader.read(len(reader._buffer) - left)
        peer.close()
        received += await reader.read()

    assert received == sent


async def test_after_much_has_come_the_end_of_the_stream_adds_nothing():
    async with reading() as (reader, _, _, peer):
        peer.sendall(bytes(MUCH))
        await wait_until(lambda: len(reader._buffer) == MUCH)
        peer.close()
        await wait_until(lambda: reader._eof)
        assert await reader.read() == bytes(MUCH)


async def test_after_much_has_come_a_reset_adds_nothing():
    async with reading() as (reader, _, _, peer):
        peer.sendall(bytes(MUCH))
        await wait_until(lambda: len(reader._buffer) == MUCH)
        reset(peer)
        await wait_until(reader.exception)
        assert isinstance(reader.exception(), ConnectionResetError)
        assert reader._buffer == bytes(MUCH)


async def test_after_much_has_come_a_view_of_it_matters_only_when_more_comes():
    async with reading() as (reader, _, _, peer):
        peer.sendall(bytes(MUCH))
        await wait_until(lambda: len(reader._buffer) == MUCH)
        with memoryview(reader._buffer):
            peer.send(b"!", socket.MSG_OOB)  # an event without data
            await turns(5)
        peer.sendall(b"more")
        await wait_until(lambda: len(reader._buffer) > MUCH)
        assert reader._buffer == bytes(MUCH) + b"more"
