"""Pipes with transports at both ends, or with a bare file at one of them."""

import asyncio
import contextlib
import os
from typing import Any

from tests.stress.lives import Life, StreamEnd
from tests.stress.pattern import SIZES, piece
from tests.stress.world import Act


async def carry(act: Act) -> None:
    """Write the pattern into a pipe with a transport at each end."""
    read_file, write_file = files(act)
    reader, writer = Life(act, "reader"), Life(act, "writer")
    act.defer(lambda: put_away(act, reader, writer))
    await connect(act.loop.connect_read_pipe, reader, read_file)
    await connect(act.loop.connect_write_pipe, writer, write_file)
    await act.until(lambda: reader.made_count and writer.made_count, "both ends")
    reader.may_raise = writer.may_raise = act.chance(0.2)
    for _ in range(act.randomness.randrange(1, 15)):
        step(act, reader, writer)
        await act.breathe()
    await end(act, reader, writer)


def files(act: Act) -> tuple[Any, Any]:
    read_fd, write_fd = os.pipe()
    both = os.fdopen(read_fd, "rb", 0), os.fdopen(write_fd, "wb", 0)
    act.world.resources += both  # the transports close them, unless they are never made
    return both


async def connect(method: Any, life: Life, file: Any) -> None:
    await method(lambda: StreamEnd(life), file)


def step(act: Act, reader: Life, writer: Life) -> None:
    if reader.lost_count or writer.lost_count:
        return
    match act.choose("write", "write", "writelines", "pause", "resume", "resume", "limits"):
        case "pause":
            reader.transport.pause_reading()
        case "resume":
            reader.transport.resume_reading()
        case "limits":
            writer.transport.set_write_buffer_limits(high=act.choose(0, 1_000, 100_000))
        case "writelines":
            writer.send([act.choose(*SIZES[1:]) for _ in range(3)], "writelines")
        case _:
            writer.send([act.choose(*SIZES)], act.choose("bytes", "bytearray", "memoryview"))


async def end(act: Act, reader: Life, writer: Life) -> None:
    """One of the ends closes, the writer in good order or the reader before all has come."""
    how = act.choose("close", "write_eof", "abort", "reader closes", "left open")
    act.note(how)
    is_whole = how in {"close", "write_eof"}
    if how in {"close", "write_eof", "abort"}:
        getattr(writer.transport, how)()
    elif how == "reader closes":
        reader.transport.close()
        writer.send([100_000], "bytes")
    else:
        return
    if not reader.lost_count:
        with contextlib.suppress(RuntimeError):
            reader.transport.resume_reading()
    await act.until(lambda: reader.lost_count and writer.lost_count, reader, writer)
    if is_whole and not reader.was_broken and not writer.was_broken:
        act.check(reader.received_count == writer.sent_count, f"{reader}, sent {writer.sent_count}")


async def put_away(act: Act, reader: Life, writer: Life) -> None:
    for life in (reader, writer):
        if life.transport is not None and not life.lost_count:
            (life.transport.abort if life is writer else life.transport.close)()
    for life in (reader, writer):
        await act.until(
            lambda life=life: life.lost_count >= life.made_count, f"the end of {life.name}"
        )


async def feed_from_a_thread(act: Act) -> None:
    """A thread writes into a pipe that a transport reads."""
    read_file, write_file = files(act)
    reader = Life(act, "reader")
    act.defer(lambda: put_away(act, reader, reader))
    await connect(act.loop.connect_read_pipe, reader, read_file)
    total = act.choose(1, 10_000, 300_000)

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), write_file:
            position = 0
            while position < total and not act.world.over.is_set():
                position += write_file.write(piece(position, min(10_000, total - position)))

    feeding = asyncio.ensure_future(asyncio.to_thread(feed))

    async def join() -> None:
        await asyncio.wait([feeding])

    act.defer(join)
    act.defer(lambda: put_away(act, reader, reader))
    await asyncio.shield(feeding)
    await act.until(lambda: reader.lost_count, "the end of", reader)
    act.check(reader.received_count == total, f"{reader.received_count} of {total} bytes")
