"""Data over TLS: buffered protocols, pausing, limits, several writes, changes of protocol."""

import asyncio
import contextvars

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import EchoProtocol, RecordingBufferedProtocol, RecordingProtocol
from tests.support.tls import tls_connection
from tests.support.waiting import turns, wait_until

LARGE = bytes(range(256)) * 8_000


class MadeBufferedProtocol(RecordingBufferedProtocol):
    """A buffered protocol with room for `size` bytes."""

    size = 65536

    def __init__(self):
        super().__init__(self.size)


@pytest.mark.parametrize("size", [1, 7, 1024, 16384, 1_000_000], ids=lambda n: f"room_for_{n}")
@pytest.mark.parametrize("amount", [1, 1024, 100_000], ids=lambda n: f"{n}_bytes")
async def test_a_buffered_protocol_gets_everything_in_order(size, amount):
    if amount / size > 20_000:
        pytest.skip("too many turns")

    class Protocol(MadeBufferedProtocol):
        def get_buffer(self, sizehint):
            # asyncio fills no bytearray beyond its first record, see its issue 156275
            return memoryview(super().get_buffer(sizehint))

    Protocol.size = size
    data = bytes(i % 251 for i in range(amount))
    async with tls_connection(EchoProtocol, Protocol) as (transport, protocol, _):
        transport.write(data)
        await wait_until(lambda: len(protocol.received) == amount)

    assert protocol.received == data


async def test_a_buffered_protocol_may_give_a_bytearray():
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio fills a copy of it, see its issue 156275")
    async with tls_connection(EchoProtocol, MadeBufferedProtocol) as (transport, protocol, _):
        transport.write(LARGE)
        await wait_until(lambda: len(protocol.received) == len(LARGE))

    assert protocol.received == LARGE


async def test_an_empty_buffer_is_an_error(reports):
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio takes it for the end of the stream")

    class Protocol(MadeBufferedProtocol):
        size = 0

    async with tls_connection(EchoProtocol, Protocol) as (transport, protocol, _):
        transport.write(b"hello")
        await protocol.closed

    report = reports.pop()
    assert isinstance(report["exception"], RuntimeError)
    assert report["message"] == "Fatal error on SSL protocol"


@pytest.mark.parametrize("method", ["get_buffer", "buffer_updated"])
async def test_an_exception_of_a_buffered_protocol_ends_the_connection(reports, method):
    connected = []

    def fail(self, argument):
        if connected:
            raise ZeroDivisionError
        return getattr(MadeBufferedProtocol, method)(self, argument)

    kind = type("Protocol", (MadeBufferedProtocol,), {method: fail})
    async with tls_connection(EchoProtocol, kind) as (transport, protocol, _):
        connected.append(True)
        transport.write(b"hello")
        await protocol.closed

    report = reports.pop()
    assert report["message"] == "Fatal error on SSL protocol"
    assert isinstance(report["exception"], ZeroDivisionError)
    assert isinstance(protocol.lost_with, ZeroDivisionError)


async def test_the_protocol_can_be_changed_at_any_time():
    async with tls_connection() as (transport, first, _):
        transport.write(b"to the first")
        await wait_until(lambda: first.received == b"to the first")
        second, third = MadeBufferedProtocol(), RecordingProtocol()
        transport.set_protocol(second)
        assert transport.get_protocol() is second
        transport.write(b"to the second")
        await wait_until(lambda: second.received == b"to the second")
        transport.set_protocol(third)
        transport.write(b"to the third")
        await wait_until(lambda: third.received == b"to the third")
        transport.abort()
        await third.closed
        first.closed.set_result(None)

    assert first.received == b"to the first"
    assert transport.get_protocol() is None


async def test_several_writes_arrive_in_order():
    async with tls_connection() as (transport, protocol, _):
        pieces = [bytes([i % 256]) * (i % 3000) for i in range(500)]
        for piece in pieces[:250]:
            transport.write(piece)
        transport.writelines(pieces[250:])
        expected = b"".join(pieces)
        await wait_until(lambda: len(protocol.received) == len(expected))

    assert protocol.received == expected


async def test_what_is_written_counts_as_it_is_when_it_is_written():
    async with tls_connection() as (transport, protocol, _):
        data = bytearray(b"before")
        transport.write(data)
        data[:] = b"after!"
        await wait_until(lambda: len(protocol.received) == 6)

    assert protocol.received == b"before"


@pytest.mark.parametrize("data", ["text", 1, None, [b"list"]], ids=repr)
async def test_what_is_no_bytes_cannot_be_written(data):
    async with tls_connection() as (transport, _, _):
        message = f"data: expecting a bytes-like instance, got {type(data).__name__}"
        with pytest.raises(TypeError, match=message):
            transport.write(data)


async def test_writing_nothing_sends_nothing():
    async with tls_connection() as (transport, protocol, server_side):
        transport.write(b"")
        transport.writelines([])
        transport.writelines([b"", b"x"])
        await wait_until(lambda: protocol.received == b"x")

    assert server_side.received == b"x"


# ---- limits


async def test_the_protocol_is_paused_at_the_high_mark_and_resumed_at_the_low_one():
    async with tls_connection(RecordingProtocol) as (transport, protocol, server_side):
        transport.set_write_buffer_limits(high=100_000, low=10_000)
        assert transport.get_write_buffer_limits() == (10_000, 100_000)
        server_side.transport.pause_reading()
        sizes = []
        protocol.resume_writing = lambda: sizes.append(transport.get_write_buffer_size())
        while "pause_writing" not in protocol.calls:
            assert transport.get_write_buffer_size() < 100_000
            transport.write(bytes(50_000))
            await turns(1)
        assert transport.get_write_buffer_size() >= 100_000
        server_side.transport.resume_reading()
        await wait_until(lambda: sizes)

    assert len(sizes) == 1
    assert sizes[0] <= 10_000


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, (131072, 524288)),
        ({"high": 1000}, (250, 1000)),
        ({"low": 1000}, (1000, 4000)),
        ({"high": 0}, (0, 0)),
        ({"high": 7, "low": 7}, (7, 7)),
    ],
    ids=str,
)
async def test_write_limits_that_are_not_given_follow_from_the_other(arguments, expected):
    async with tls_connection() as (transport, _, _):
        transport.set_write_buffer_limits(**arguments)
        assert transport.get_write_buffer_limits() == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, (65536, 262144)),
        ({"high": 1000}, (250, 1000)),
        ({"low": 1000}, (1000, 4000)),
        ({"high": 70_000, "low": 7}, (7, 70_000)),
    ],
    ids=str,
)
async def test_read_limits_that_are_not_given_follow_from_the_other(arguments, expected):
    async with tls_connection() as (transport, _, _):
        assert transport.get_read_buffer_limits() == (65536, 262144)
        transport.set_read_buffer_limits(**arguments)
        assert transport.get_read_buffer_limits() == expected


@pytest.mark.parametrize("method", ["set_write_buffer_limits", "set_read_buffer_limits"])
@pytest.mark.parametrize("limits", [(1, 2), (-1, -1), (5, -1)], ids=str)
async def test_limits_that_make_no_sense_are_refused(method, limits):
    high, low = limits
    async with tls_connection() as (transport, _, _):
        message = rf"high \({high}\) must be >= low \({low}\) must be >= 0"
        with pytest.raises(ValueError, match=message):
            getattr(transport, method)(high=high, low=low)


async def test_a_high_mark_of_zero_pauses_only_while_something_waits():
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio pauses a protocol with an empty buffer")
    async with tls_connection() as (transport, protocol, _):
        transport.set_write_buffer_limits(high=0)
        transport.write(b"hello")
        await wait_until(lambda: protocol.received == b"hello")

    assert "pause_writing" not in protocol.calls


@pytest.mark.parametrize("method", ["pause_writing", "resume_writing"])
async def test_an_exception_of_flow_control_is_reported_and_nothing_else(reports, method):
    class Protocol(RecordingProtocol):
        pass

    def fail(self):
        self.calls.append(method)
        raise ZeroDivisionError

    setattr(Protocol, method, fail)
    async with tls_connection(RecordingProtocol, Protocol) as (transport, protocol, server_side):
        server_side.transport.pause_reading()
        while not {"pause_writing", "resume_writing"} & set(protocol.calls):
            transport.write(bytes(1_000_000))
            await turns(1)
        server_side.transport.resume_reading()
        await wait_until(lambda: method in protocol.calls)
        assert not transport.is_closing()

    assert [report["message"] for report in reports] == [f"protocol.{method}() failed"]
    reports.clear()


async def test_reading_below_is_paused_while_a_paused_protocol_has_too_much():
    async with tls_connection(RecordingProtocol) as (transport, _, server_side):
        receiving = server_side.transport
        receiving.pause_reading()
        assert not receiving.is_reading()
        for _ in range(40):
            transport.write(bytes(100_000))
            await turns(2)
        await wait_until(lambda: receiving.get_read_buffer_size() >= 262144)
        assert not receiving._ssl_protocol._transport.is_reading()
        receiving.resume_reading()
        await wait_until(lambda: len(server_side.received) == 4_000_000)
        assert receiving.is_reading()
        assert receiving._ssl_protocol._transport.is_reading()
        assert receiving.get_read_buffer_size() == 0


async def test_pausing_inside_data_received_holds_the_rest():
    class Protocol(RecordingProtocol):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    async with tls_connection(RecordingProtocol, Protocol) as (_, protocol, server_side):
        server_side.transport.write(b"first")
        await wait_until(lambda: protocol.received == b"first")
        server_side.transport.write(b"second")
        await turns(20)
        assert protocol.received == b"first"
        protocol.transport.resume_reading()
        await wait_until(lambda: protocol.received == b"firstsecond")


async def test_resume_and_pause_at_once_delivers_nothing():
    async with tls_connection(RecordingProtocol) as (transport, protocol, server_side):
        transport.pause_reading()
        server_side.transport.write(b"hello")
        await turns(20)
        transport.resume_reading()
        transport.pause_reading()
        await turns(5)
        assert protocol.received == b""
        transport.resume_reading()
        await wait_until(lambda: protocol.received == b"hello")


async def test_context_variables_are_those_of_the_connection():
    variable = contextvars.ContextVar("variable", default="none")
    seen = []

    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            variable.set("set in connection_made")

        def data_received(self, data):
            super().data_received(data)
            seen.append(variable.get())

        def connection_lost(self, exc):
            super().connection_lost(exc)
            seen.append(variable.get())

    async with tls_connection(EchoProtocol, Protocol) as (transport, protocol, _):
        transport.write(b"hello")
        await wait_until(lambda: protocol.received)
        transport.pause_reading()
        transport.write(b"hello")
        await turns(20)
        transport.resume_reading()
        await wait_until(lambda: len(protocol.received) == 10)
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("before 3.15 asyncio's callbacks run in many contexts")

    assert set(seen) == {"set in connection_made"}
    assert len(seen) == 3
