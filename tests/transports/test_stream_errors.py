"""StreamTransport: protocols and callers that do what they must not, in every callback."""

import asyncio
import contextlib
import socket

import pytest

from tests.probes.reactor import ReactorProbe
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import drain, fill, unix_pair
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until

# ---- every callback does everything


class Acting(asyncio.Protocol):
    """Count the callbacks; in the first call of `where`, do `action`."""

    def __init__(self, where: str, action) -> None:
        self.where = where
        self.action = action
        self.calls: list[str] = []
        self.transport: asyncio.Transport | None = None

    def called(self, name: str) -> None:
        self.calls.append(name)
        if name == self.where and self.calls.count(name) == 1:
            self.action(self.transport)

    def connection_made(self, transport):
        self.transport = transport
        self.called("connection_made")

    def data_received(self, data):
        self.called("data_received")

    def eof_received(self):
        self.called("eof_received")
        return True

    def pause_writing(self):
        self.called("pause_writing")

    def resume_writing(self):
        self.called("resume_writing")

    def connection_lost(self, exc):
        self.called("connection_lost")


class ActingBuffered(Acting, asyncio.BufferedProtocol):
    """The same for the callbacks of a BufferedProtocol."""

    def get_buffer(self, sizehint):
        self.called("get_buffer")
        return bytearray(100)

    def buffer_updated(self, nbytes):
        self.called("buffer_updated")


def fail(transport) -> None:
    raise ValueError("as intended")


def os_error(transport) -> None:
    raise ConnectionResetError("as intended")


def write_after_eof(transport) -> None:
    transport.write_eof()
    transport.write(b"too late")


PLACES = {
    "connection_made": Acting,
    "data_received": Acting,
    "eof_received": Acting,
    "pause_writing": Acting,
    "resume_writing": Acting,
    "connection_lost": Acting,
    "get_buffer": ActingBuffered,
    "buffer_updated": ActingBuffered,
}
RECEIVING = {"data_received", "eof_received", "get_buffer", "buffer_updated"}
ACTIONS = {
    "close": lambda transport: transport.close(),
    "abort": lambda transport: transport.abort(),
    "close_and_abort": lambda transport: (transport.close(), transport.abort()),
    "write_eof": lambda transport: transport.write_eof(),
    "write_and_close": lambda transport: (transport.write(b"last words"), transport.close()),
    "write_much": lambda transport: transport.write(bytes(3_000_000)),
    "write_much_and_close": lambda transport: (
        transport.write(bytes(3_000_000)),
        transport.close(),
    ),
    "pause_reading": lambda transport: transport.pause_reading(),
    "pause_and_resume": lambda transport: (transport.pause_reading(), transport.resume_reading()),
    "set_limits": lambda transport: transport.set_write_buffer_limits(0),
    "look_at_buffer": lambda transport: transport.get_write_buffer_size(),
    "swap_protocol": lambda transport: transport.set_protocol(transport.get_protocol()),
    "raise": fail,
    "raise_os_error": os_error,
    "write_after_eof": write_after_eof,
    "fatal_error": lambda transport: transport._fatal_error(OSError("as intended")),
}


async def provoke_everything(transport, peer: socket.socket) -> None:
    """Let every callback happen that the protocol still lets happen."""
    with contextlib.suppress(BrokenPipeError):
        peer.send(b"data")
    await turns(2)
    asyncio.get_running_loop().call_soon(write_much, transport)
    await read_for_turns(peer, 20)
    with contextlib.suppress(BrokenPipeError):
        peer.send(b"more data")
    peer.shutdown(socket.SHUT_WR)
    await read_for_turns(peer, 5)


def write_much(transport) -> None:
    if not transport._eof:
        transport.write(bytes(1_000_000))


async def read_for_turns(peer: socket.socket, count: int) -> None:
    for _ in range(count):
        await turns(1)
        with contextlib.suppress(ConnectionResetError):
            drain(peer)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS)
@pytest.mark.parametrize("where", PLACES)
async def test_anything_in_any_callback_loses_the_connection_once(where, action, reports):
    probe = ReactorProbe(asyncio.get_running_loop())
    async with connected(lambda: PLACES[where](where, action), unix_pair) as connection:
        transport, protocol, peer = connection
        await provoke_everything(transport, peer)
        assert where in protocol.calls or where == "connection_lost"
        transport.abort()
        await wait_until(lambda: "connection_lost" in protocol.calls)
        await turns(3)

    assert protocol.calls[0] == "connection_made"
    assert protocol.calls[-1] == "connection_lost"
    assert protocol.calls.count("connection_made") == 1
    assert protocol.calls.count("connection_lost") == 1
    assert probe.used_count == 0
    assert [str(report["exception"]) for report in reports] == expected_reports(where, action)
    reports.clear()


def expected_reports(where: str, action) -> list[str]:
    if action is write_after_eof and where != "connection_lost":
        return ["Cannot call write() after write_eof()"]
    if action is os_error and where not in RECEIVING:  # elsewhere it is the network's affair
        return ["as intended"]
    return ["as intended"] if action is fail else []


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("where", PLACES)
def test_exit_in_any_callback_ends_the_run_and_the_loop_goes_on(loop, where, exception):
    def leave(transport):
        raise exception

    async def main():
        async with connected(lambda: PLACES[where](where, leave), unix_pair) as connection:
            transport, protocol, peer = connection
            made.append(protocol)
            await provoke_everything(transport, peer)
            transport.abort()
            await turns(3)

    made: list[Acting] = []
    task = loop.create_task(main())
    with pytest.raises(exception):
        loop.run_until_complete(task)

    loop.run_until_complete(task)

    assert ReactorProbe(loop).used_count == 0
    assert made[0].calls.count("connection_lost") == 1


# ---- answers and arguments that make no sense


class Untruthful:
    """An answer that is neither true nor false."""

    def __bool__(self):
        raise ValueError("neither true nor false")


async def test_eof_received_answer_without_truth_ends_the_connection_only(reports):
    class Protocol(RecordingProtocol):
        def eof_received(self):
            return Untruthful()

    async with connected(Protocol) as (_, protocol, peer):
        peer.close()
        await protocol.closed

    assert isinstance(protocol.lost_with, ValueError)
    assert [report["message"] for report in reports] == [
        "Fatal error: protocol.eof_received() call failed."
    ]
    reports.clear()


@pytest.mark.parametrize("bad", ["text", 1, None, [b"bytes"]], ids=repr)
async def test_writelines_with_one_wrong_piece_writes_nothing(bad):
    async with connected() as (transport, _, peer):
        with pytest.raises(TypeError, match="data argument must be a bytes-like object, not"):
            transport.writelines([b"good", bad, b"good"])

        await turns(2)
        assert drain(peer) == b""


async def test_writelines_whose_iterator_closes_the_transport_is_survived():
    async with connected() as (transport, protocol, _):

        def pieces():
            yield b"one"
            transport.abort()
            yield b"two"

        transport.writelines(pieces())
        await protocol.closed


async def test_protocol_that_cannot_be_asked_for_its_class_opens_nothing():
    class Hidden:
        @property
        def __class__(self):
            raise ValueError("no class")

    async with connected() as (_, _, peer):
        loop = asyncio.get_running_loop()
        with pytest.raises(ValueError, match="no class"):
            loop._make_socket_transport(peer, Hidden())

        loop.add_reader(peer, print)  # no transport has the fd
        loop.remove_reader(peer)


@pytest.mark.parametrize(
    "limits",
    [{"high": "x"}, {"high": 2**70}, {"low": 1.5}, {"high": -1}, {"high": 1, "low": 2}],
    ids=str,
)
async def test_limits_that_make_no_sense_change_nothing(limits):
    async with connected() as (transport, _, _):
        before = transport.get_write_buffer_limits()

        with pytest.raises((TypeError, ValueError, OverflowError)):
            transport.set_write_buffer_limits(**limits)

        assert transport.get_write_buffer_limits() == before


# ---- the peer or the kernel refuses


async def test_error_of_a_write_reaches_connection_lost_while_reading_is_paused():
    async with connected(pair=unix_pair) as (transport, protocol, peer):
        transport.pause_reading()
        peer.close()
        transport.write(b"x")
        await protocol.closed

    assert isinstance(protocol.lost_with, BrokenPipeError)


async def test_peer_that_goes_away_while_output_waits_is_noticed_while_reading_is_paused():
    async with connected(pair=unix_pair) as (transport, protocol, peer):
        transport.pause_reading()
        fill(transport._sock)
        transport.write(bytes(100_000))
        await turns(2)
        peer.close()
        await protocol.closed

    assert isinstance(protocol.lost_with, BrokenPipeError | ConnectionResetError)
