"""When output leaves: in the call that writes it, anywhere, as far as the kernel takes it."""

import asyncio
import os

import pytest

from tests.support.loops import is_stdlib
from tests.support.outputs import (
    ENDS,
    KINDS,
    PLACES,
    PROTOCOL_PLACES,
    STREAM_KINDS,
    THREAD_PLACES,
    cases,
    output_of,
)
from tests.support.waiting import DEADLINE

# More than the kernel's buffers of a Unix socket pair or a pipe take.
LARGE = bytes(range(256)) * 8_000

# What can be filled past the transport: a TLS stream would be damaged.
RAW_KINDS = tuple(kind for kind in STREAM_KINDS if not kind.startswith("TLS"))


@pytest.mark.parametrize(("kind", "place"), cases(KINDS, PLACES))
async def test_output_has_left_when_the_call_returns(kind, place):
    def write_then_block(output):
        output.send(b"one")
        output.send(b"two")
        return output.take(6)

    async with output_of(kind, write_then_block, place) as output:
        assert output.result.result() == b"onetwo"


# ---- what follows the output


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", KINDS)
async def test_output_has_left_before(kind, end):
    if end == "write_eof" and kind.startswith(("TLS", "sendto")):
        pytest.skip("cannot be closed by halves")

    def write_then_end(output):
        output.send(b"one")
        output.send(b"two")
        ENDS[end](output)
        return output.take(6)

    async with output_of(kind, write_then_end, "task") as output:
        assert output.result.result() == b"onetwo"


@pytest.mark.parametrize("kind", KINDS)
async def test_output_has_left_before_the_process_exits(kind):
    def write_in_child(output):
        if (child := os.fork()) == 0:
            try:
                output.send(b"one")
                output.send(b"two")
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return output.take(6)

    async with output_of(kind, write_in_child, "task") as output:
        assert output.result.result() == b"onetwo"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "writelines" not in kind])
def test_output_leaves_at_once_while_the_loop_does_not_run(loop, kind):
    async def open_output():
        context = output_of(kind, lambda output: None)
        return context, await context.__aenter__()

    context, output = loop.run_until_complete(open_output())

    output.send(b"one")
    output.send(b"two")

    assert output.take(6) == b"onetwo"
    loop.run_until_complete(context.__aexit__(None, None, None))


# ---- what the kernel does not take


@pytest.mark.parametrize(("kind", "place"), cases(STREAM_KINDS, PLACES))
async def test_what_the_kernel_does_not_take_follows_in_order(kind, place):
    whole = LARGE + b"end"

    def write(output):
        output.send(LARGE)
        output.send(b"end")
        # a thread takes it while the loop sleeps: nothing but the kernel's event wakes that
        return output.take(len(whole)) if place == "thread_while_the_loop_sleeps" else None

    async with output_of(kind, write, place) as output:
        received = output.result.result() or await asyncio.to_thread(output.take, len(whole))
        assert received == whole
        assert output.transport.get_write_buffer_size() == 0


@pytest.mark.parametrize(("kind", "place"), cases(RAW_KINDS, PLACES))
async def test_what_is_written_while_the_kernel_takes_nothing_follows(kind, place):
    def fill_then_write(output):
        pipe = output.transport.get_extra_info("pipe")
        fd = output.transport.get_extra_info("socket", pipe).fileno()
        filled = 0
        while True:
            try:
                filled += os.write(fd, bytes(65536))
            except BlockingIOError:
                break
        output.send(b"one")
        output.send(b"two")
        size = output.transport.get_write_buffer_size()
        # a thread takes it while the loop sleeps, as above
        taken = place == "thread_while_the_loop_sleeps"
        received = output.take(filled + 6) if taken else b""
        return filled, size, received

    async with output_of(kind, fill_then_write, place) as output:
        filled, size, received = output.result.result()
        received = received or await asyncio.to_thread(output.take, filled + 6)
        assert size == 6
        assert received == bytes(filled) + b"onetwo"


@pytest.mark.parametrize(("kind", "place"), cases(STREAM_KINDS, (*PROTOCOL_PLACES, "task")))
async def test_the_protocol_is_paused_inside_the_call(kind, place):
    def write(output):
        calls = output.protocol.calls
        output.send(LARGE)
        output.send(LARGE)
        return list(calls)

    if kind == "writelines" and is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio's writelines() pauses nothing in 3.12 and 3.13")
    async with output_of(kind, write, place) as output:
        assert output.result.result()[-1] == "pause_writing"
        await asyncio.to_thread(output.take, 2 * len(LARGE))
        await asyncio.sleep(0)
        assert output.protocol.calls[-1] == "resume_writing"


@pytest.mark.parametrize("end", ["close", "write_eof", "fork"])
@pytest.mark.parametrize("kind", STREAM_KINDS)
async def test_what_the_kernel_has_not_taken_before_follows_after(kind, end):
    if end == "write_eof" and kind.startswith("TLS"):
        pytest.skip("cannot be closed by halves")

    def write_then_end(output):
        output.send(LARGE)
        output.send(b"end")
        ENDS[end](output)

    async with output_of(kind, write_then_end, "task") as output:
        received = await asyncio.to_thread(output.take, len(LARGE) + 3)
        assert received == LARGE + b"end"


@pytest.mark.parametrize("kind", RAW_KINDS)
async def test_an_abort_drops_what_the_kernel_has_not_taken(kind):
    def write_then_abort(output):
        output.send(LARGE)
        output.send(b"end")
        waiting = output.transport.get_write_buffer_size()
        output.transport.abort()
        return len(LARGE) + 3 - waiting

    async with output_of(kind, write_then_abort, "task") as output:
        await asyncio.wait_for(output.protocol.closed, DEADLINE)
        assert output.protocol.lost_with is None
        taken = output.result.result()
        assert await asyncio.to_thread(output.take, taken) == LARGE[:taken]
        with pytest.raises(AssertionError, match="the end has come"):
            output.take(1)


# ---- a send that fails


@pytest.mark.parametrize(
    ("kind", "place"), cases(STREAM_KINDS, (*PROTOCOL_PLACES, "task", "callback"))
)
async def test_a_send_that_fails_ends_the_connection_but_not_inside_the_call(kind, place):
    def break_then_write(output):
        output.break_peer()
        before = list(output.protocol.calls)
        output.send(b"one")
        output.send(b"two")
        assert output.protocol.calls == before
        # before 3.12.8 asyncio's TLS transport does not know of it
        assert output.transport.is_closing() or kind.startswith("TLS")

    in_made_pipe = kind.startswith("pipe") and place == "connection_made"
    if in_made_pipe and is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio adds a reader for a pipe that is closed")
    async with output_of(kind, break_then_write, place) as output:
        await asyncio.wait_for(output.protocol.closed, DEADLINE)
        assert output.protocol.calls.count("connection_lost") == 1
        assert isinstance(output.protocol.lost_with, BrokenPipeError)


@pytest.mark.parametrize("kind", STREAM_KINDS)
async def test_a_send_that_fails_in_a_thread_ends_the_connection(kind):
    def break_then_write(output):
        output.break_peer()
        output.send(b"one")

    async with output_of(kind, break_then_write, THREAD_PLACES[1]) as output:
        await asyncio.wait_for(output.protocol.closed, DEADLINE)
        assert isinstance(output.protocol.lost_with, BrokenPipeError)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", STREAM_KINDS)
async def test_a_send_that_fails_before(kind, end):
    if end == "write_eof" and kind.startswith("TLS"):
        pytest.skip("cannot be closed by halves")
    if end == "abort" and kind.startswith("pipe") and is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio's abort() closes a pipe twice after a failed write")

    def break_then_write_then_end(output):
        output.break_peer()
        before = list(output.protocol.calls)
        output.send(b"one")
        output.send(b"two")
        ENDS[end](output)
        assert output.protocol.calls == before

    async with output_of(kind, break_then_write_then_end, "task") as output:
        await asyncio.wait_for(output.protocol.closed, DEADLINE)
        assert output.protocol.calls.count("connection_lost") == 1
        assert isinstance(output.protocol.lost_with, BrokenPipeError)


@pytest.mark.parametrize("kind", STREAM_KINDS)
async def test_a_send_that_fails_before_the_process_exits(kind):
    def break_then_write_in_child(output):
        output.break_peer()
        before = list(output.protocol.calls)
        if (child := os.fork()) == 0:
            quiet = False
            try:
                output.send(b"one")
                output.send(b"two")
                quiet = output.protocol.calls == before
            finally:
                os._exit(not quiet)
        return os.waitpid(child, 0)[1]

    async with output_of(kind, break_then_write_in_child, "task") as output:
        assert output.result.result() == 0
