"""Datagrams that wait, because the kernel takes no more: order, flow control, the end."""

import contextlib
import socket
import sys

import pytest

from tests.support.datagrams import (
    RecordingEndpoint,
    endpoint,
    fill_queue,
    receive_all,
)
from tests.support.loops import is_stdlib
from tests.support.waiting import turns, wait_until

HEADER_SIZE = 8 if sys.version_info >= (3, 13) else 0

# More than one call of the kernel takes.
MANY = 100


@contextlib.asynccontextmanager
async def blocked(tmp_path, connected, protocol_factory=RecordingEndpoint):
    """Give an endpoint whose Unix receiver takes no more, the receiver, and a target for sendto."""
    path = str(tmp_path / "full")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler,
    ):
        receiver.bind(path)
        receiver.setblocking(False)
        fill_queue(filler, path)
        remote = {"remote_addr": path} if connected else {}
        async with endpoint(protocol_factory, family=socket.AF_UNIX, **remote) as end:
            yield end.transport, end.protocol, receiver, None if connected else path


BOTH_WAYS = pytest.mark.parametrize("connected", [True, False], ids=["connected", "unconnected"])


@BOTH_WAYS
async def test_datagrams_wait_for_a_receiver_with_a_full_queue(tmp_path, connected):
    async with blocked(tmp_path, connected) as (transport, protocol, receiver, target):
        sent = [b"waiting %d" % number for number in range(MANY)]
        for data in sent:
            transport.sendto(data, target)
        total = sum(map(len, sent)) + HEADER_SIZE * MANY
        assert transport.get_write_buffer_size() == total
        received = []

        def complete():
            received.extend(d for d in receive_all(receiver) if d.startswith(b"waiting"))
            return len(received) >= MANY

        await wait_until(complete, "all datagrams")
        await turns(2)
        assert received == sent
        if not is_stdlib_with_wrong_sizes(protocol):
            assert transport.get_write_buffer_size() == 0


def is_stdlib_with_wrong_sizes(protocol) -> bool:
    """Until 3.14 asyncio never takes the 8 bytes of a header off again."""
    loop = protocol.closed.get_loop()
    return is_stdlib(loop) and HEADER_SIZE > 0


@BOTH_WAYS
async def test_the_protocol_is_paused_while_much_waits(tmp_path, connected):
    async with blocked(tmp_path, connected) as (transport, protocol, receiver, target):
        transport.set_write_buffer_limits(high=1000, low=900)
        for _ in range(9):
            transport.sendto(bytes(100), target)
        assert "pause_writing" not in protocol.calls
        for _ in range(3):
            transport.sendto(bytes(100), target)
        assert protocol.calls.count("pause_writing") == 1
        if is_stdlib_with_wrong_sizes(protocol):
            return
        receive_all(receiver)
        await wait_until(lambda: "resume_writing" in protocol.calls, "to be resumed")


@BOTH_WAYS
async def test_close_sends_what_waits_first(tmp_path, connected):
    async with blocked(tmp_path, connected) as (transport, protocol, receiver, target):
        for number in range(3):
            transport.sendto(b"waiting %d" % number, target)
        transport.close()
        assert transport.is_closing()
        await turns(3)
        assert not protocol.closed.done()
        received = []

        def complete():
            received.extend(d for d in receive_all(receiver) if d.startswith(b"waiting"))
            return protocol.closed.done()

        await wait_until(complete, "the end")
        received.extend(receive_all(receiver))
        assert received == [b"waiting 0", b"waiting 1", b"waiting 2"]
        assert protocol.lost_with is None


@BOTH_WAYS
async def test_abort_drops_what_waits(tmp_path, connected):
    async with blocked(tmp_path, connected) as (transport, protocol, receiver, target):
        transport.sendto(b"waiting", target)
        transport.abort()
        await protocol.closed
        assert b"waiting" not in receive_all(receiver)
        assert protocol.lost_with is None
