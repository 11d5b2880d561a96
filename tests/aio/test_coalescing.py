"""set_write_coalescing(): writes of a turn leave together, and nothing waits where nothing may."""

import asyncio
import socket

import pytest
from pytest_asyncio import fixture as async_fixture
from pytest_asyncio import is_async_test

from tests.probes.reactor import ReactorProbe
from tests.support.datagrams import RecordingEndpoint, endpoint, udp_socket
from tests.support.outputs import (
    ENDS,
    KINDS,
    SLEEPING_PLACES,
    STREAM_KINDS,
    THREAD_PLACES,
    cases,
    output_of,
)
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import LOOPBACK, drain, receive, segments_sent
from tests.support.streams import connected
from tests.support.syscalls import calls_between_marks, needs_strace
from tests.support.tls import tls_connection
from tests.support.waiting import turns, wait_until

# Above this much joined output leaves at once; it is also the default high-water mark.
FLUSH_BYTES = 65536

# The kinds whose output is joined.
JOINED = tuple(kind for kind in KINDS if not kind.startswith("pipe"))


@pytest.fixture(autouse=True)
def joining(request):
    """Let the loop of an `async def` test join writes."""
    if is_async_test(request.node):
        request.getfixturevalue("_joining_loop")


@async_fixture
async def _joining_loop():
    asyncio.get_running_loop().set_write_coalescing(True)


class Answering(RecordingProtocol):
    """Answer what arrives in three writes, then call `then`."""

    def __init__(self) -> None:
        super().__init__()
        self.then = lambda: None

    def data_received(self, data):
        super().data_received(data)
        for part in (b"head", b"body", b"tail"):
            self.transport.write(part)
        self.then()


# ---- what is joined


async def test_writes_of_one_data_received_leave_in_one_segment():
    async with connected(Answering) as (transport, _, peer):
        peer.send(b"question")

        assert await receive(peer, 12) == b"headbodytail"
        assert segments_sent(transport) == 1


async def test_writes_of_several_callbacks_of_one_turn_leave_in_one_segment():
    async with connected() as (transport, _, peer):
        loop = asyncio.get_running_loop()
        for number in range(10):
            loop.call_soon(transport.write, b"%d" % number)

        assert await receive(peer, 10) == b"0123456789"
        assert segments_sent(transport) == 1


async def test_writes_of_different_turns_leave_each_in_its_turn():
    async with connected() as (transport, _, peer):
        received = []
        for part in (b"one", b"two", b"three"):
            transport.write(part)
            await turns(1)
            received.append(drain(peer))

        assert received == [b"one", b"two", b"three"]


async def test_answer_leaves_before_the_next_callback_of_the_turn():
    async with connected(Answering) as (_, protocol, peer):
        loop = asyncio.get_running_loop()
        seen = []
        protocol.then = lambda: seen.append(drain(peer))
        other, other_peer = socket.socketpair()
        with other, other_peer:
            peer.send(b"question")
            other_peer.send(b"x")
            loop.add_reader(other, lambda: (seen.append(drain(peer)), loop.remove_reader(other)))
            await wait_until(lambda: len(seen) == 2)

        # neither while data_received() runs, nor as late as the end of the turn
        assert seen == [b"", b"headbodytail"]


async def test_write_waits_for_the_end_of_the_turn():
    probe = ReactorProbe(asyncio.get_running_loop())
    async with connected() as (transport, _, peer):
        transport.write(b"x")
        during = (drain(peer), probe.flush_count)

        await turns(1)

        assert during == (b"", 1)
        assert (drain(peer), probe.flush_count) == (b"x", 0)


@pytest.mark.parametrize(
    ("size", "at_once"), [(FLUSH_BYTES, False), (FLUSH_BYTES + 1, True)], ids=["64_KiB", "one_more"]
)
@pytest.mark.parametrize("high", [FLUSH_BYTES, 10 * FLUSH_BYTES])
async def test_write_above_64_kib_leaves_at_once(size, at_once, high):
    async with connected() as (transport, _, peer):
        transport.set_write_buffer_limits(high)
        transport.write(bytes(size - 1))
        transport.write(b"x")

        assert bool(drain(peer)) is at_once
        transport.abort()


async def test_tls_writes_of_one_turn_leave_in_one_segment():
    async with tls_connection(RecordingProtocol) as (transport, _, server):
        before = segments_sent(transport)
        for part in (b"one", b"two", b"three"):
            transport.write(part)
        await wait_until(lambda: server.received == b"onetwothree")

        assert segments_sent(transport) - before == 1


async def test_datagrams_behind_the_first_one_wait_for_the_end_of_the_turn():
    async with endpoint() as (transport, _, _):
        with udp_socket() as peer:
            peer.setblocking(False)
            for number in range(3):
                transport.sendto(b"%d" % number, peer.getsockname())
            during = drain(peer)
            await turns(1)

            assert (during, drain(peer)) == (b"0", b"12")


WRITES = """
    import asyncio, os, socket
    import ngxloop

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_write_coalescing(True)
        ours, peer = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        os.getppid()
        for _ in range(100):
            for _ in range(5): transport.write(bytes({size}))
            await asyncio.sleep(0); peer.recv(10_000)
        os.getppid()
        transport.abort()

    ngxloop.run(main())
"""


@needs_strace
@pytest.mark.parametrize(
    ("size", "call"), [(1, "sendto"), (1000, "sendmsg")], ids=["joined", "vector"]
)
def test_writes_of_one_turn_cost_one_call(size, call):
    calls = calls_between_marks(WRITES.format(size=size), "sendto", "sendmsg", "epoll_ctl")

    assert calls == {call: 100}


# ---- where nothing may wait


@pytest.mark.parametrize(("kind", "place"), cases(KINDS, SLEEPING_PLACES))
async def test_output_leaves_at_once_while_the_loop_sleeps(kind, place):
    def write_then_block(output):
        output.send(b"one")
        output.send(b"two")
        return output.take(6)

    if place in THREAD_PLACES:  # a signal handler runs in the turn that the signal has begun
        async with output_of(kind, write_then_block, place) as output:
            assert output.result.result() == b"onetwo"
        return

    async with output_of(kind, lambda output: output.send(b"onetwo"), place) as output:
        assert await asyncio.to_thread(output.take, 6) == b"onetwo"


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", KINDS)
async def test_output_leaves_before(kind, end):
    if end == "write_eof" and kind.startswith(("TLS", "sendto")):
        pytest.skip("cannot be closed by halves")

    def write_then_end(output):
        output.send(b"one")
        output.send(b"two")
        ENDS[end](output)
        return output.take(6)

    async with output_of(kind, write_then_end, "task") as output:
        assert output.result.result() == b"onetwo"


async def test_a_forked_child_sends_nothing_twice():
    def write_then_fork(output):
        output.send(b"one")
        ENDS["fork"](output)

    async with output_of("write", write_then_fork, "task") as output:
        await turns(2)
        output.transport.write_eof()
        assert output.take(3) == b"one"
        output.peer.setblocking(False)
        assert output.peer.recv(10) == b""


@pytest.mark.parametrize("kind", JOINED)
async def test_output_leaves_when_coalescing_is_turned_off(kind):
    def write(output):
        output.send(b"one")
        output.send(b"two")
        asyncio.get_running_loop().set_write_coalescing(False)
        return output.take(6)

    async with output_of(kind, write, "task") as output:
        assert output.result.result() == b"onetwo"


@pytest.mark.parametrize("kind", JOINED)
async def test_output_leaves_before_a_turn_inside_a_callback(kind):
    def write_then_turn(output):
        output.send(b"one")
        output.send(b"two")
        loop = output.result.get_loop()
        loop.call_soon(lambda: seen.append(output.take(6)))
        loop._run_once()

    seen = []
    async with output_of(kind, write_then_turn, "callback"):
        assert seen == [b"onetwo"]


def test_output_leaves_when_an_exception_ends_the_turn(loop):
    async def open_pair():
        context = connected()
        return context, await context.__aenter__()

    def write_then_exit():
        transport.write(b"x")
        raise SystemExit

    loop.set_write_coalescing(True)
    context, (transport, _, peer) = loop.run_until_complete(open_pair())
    loop.call_soon(write_then_exit)

    with pytest.raises(SystemExit):
        loop.run_forever()

    assert drain(peer) == b"x"
    transport.write(b"y")
    assert drain(peer) == b"y"
    loop.run_until_complete(context.__aexit__(None, None, None))


@pytest.mark.parametrize(
    "look",
    [
        lambda transport: transport.get_write_buffer_size(),
        lambda transport: transport.set_write_buffer_limits(high=1000),
        lambda transport: transport.get_extra_info("socket"),
        lambda transport: (transport._make_empty_waiter(), transport._reset_empty_waiter()),
    ],
    ids=["get_write_buffer_size", "set_write_buffer_limits", "get_extra_info", "sendfile"],
)
async def test_output_leaves_before_anything_shows_it(look):
    async with connected() as (transport, _, peer):
        transport.write(b"x")

        look(transport)

        assert drain(peer) == b"x"


async def test_a_send_that_fails_at_the_end_of_the_turn_ends_the_connection():
    for kind in STREAM_KINDS:
        async with output_of(kind, lambda output: None) as output:
            output.break_peer()
            output.send(b"x")
            await output.protocol.closed
            assert isinstance(output.protocol.lost_with, BrokenPipeError)


async def test_joined_datagrams_leave_before_close():
    async with endpoint(RecordingEndpoint, local_addr=(LOOPBACK, 0)) as (transport, protocol, _):
        with udp_socket() as peer:
            for number in range(5):
                transport.sendto(b"%d" % number, peer.getsockname())
            transport.close()
            await protocol.closed
            assert [peer.recv(100) for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
