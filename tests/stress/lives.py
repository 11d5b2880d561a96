"""Life: what a connection has lived through, and what is legal; the protocols that keep one."""

import asyncio
import threading
from typing import Any

from tests.stress.pattern import is_piece, piece
from tests.stress.world import Act

# How likely one call of a protocol raises, in a life that may.
RAISING = 0.05


class Life:
    """One end of a stream from connection_made to connection_lost, whatever its protocols."""

    def __init__(self, act: Act, name: str) -> None:
        self.act = act
        self.name = name
        self.transport: Any = None
        self.made_count = 0
        self.lost_count = 0
        self.lost_with: Any = None
        self.has_ended = False  # eof_received was called
        self.stays_open = False  # what eof_received answers
        self.may_raise = False
        self.is_upgrading = False  # start_tls goes on, or has failed: asyncio may forget the end
        self.was_broken = False  # something was done after which data may be missing
        self.sent_count = 0
        self.received_count = 0
        self.paused_count = 0
        self.lock = threading.RLock()
        self.lost = act.loop.create_future()
        act.world.lives.append(self)

    def fail(self, what: str) -> None:
        self.act.fail(f"{self.name}: {what}")

    def made(self, transport: Any) -> None:
        self.made_count += 1
        self.transport = transport
        if self.made_count != 1:
            self.fail("connection_made is called again")
        self.maybe_raise("connection_made")

    def received(self, data: bytes | bytearray | memoryview) -> None:
        if not self.made_count or self.lost_count or self.has_ended:
            self.fail(f"data at the wrong time: {self}")
        if not len(data):
            self.fail("no data are received")
        if not is_piece(data, self.received_count):
            self.fail(f"{len(data)} wrong bytes at {self.received_count}")
        self.received_count += len(data)

    def ended(self) -> bool:
        if self.has_ended or self.lost_count:
            self.fail(f"eof_received at the wrong time: {self}")
        self.has_ended = True
        self.maybe_raise("eof_received")
        return self.stays_open

    def paused(self, step: int) -> None:
        self.paused_count += step
        if self.paused_count not in {0, 1}:
            self.fail("pause_writing and resume_writing do not alternate")
        self.maybe_raise("pause_writing" if step > 0 else "resume_writing")

    def was_lost(self, exc: Exception | None) -> None:
        self.lost_count += 1
        self.lost_with = exc
        self.act.note(f"{self.name} is lost with {exc!r}")
        if self.lost_count != 1 or not self.made_count:
            self.fail(f"connection_lost at the wrong time: {self}")
        elif not self.lost.done():
            self.lost.set_result(None)
        self.maybe_raise("connection_lost")

    def maybe_raise(self, where: str) -> None:
        if self.may_raise and self.act.chance(RAISING):
            self.was_broken = True
            raise self.act.world.provoke(f"{self.act.name} {self.name} {where}")

    def send(self, sizes: list[int], how: str) -> None:
        """Write the next pieces of the pattern; from any thread."""
        with self.lock:
            pieces = []
            for size in sizes:
                pieces.append(piece(self.sent_count, size))
                self.sent_count += size
            if how == "writelines":
                self.transport.writelines(pieces)
            else:
                kind = {"bytes": bytes, "bytearray": bytearray, "memoryview": memoryview}[how]
                for data in pieces:
                    self.transport.write(kind(data))

    def check_end(self) -> None:
        """Fail unless each begin had its end."""
        if self.lost_count != self.made_count and not (self.is_upgrading and not self.lost_count):
            self.fail(f"connection_lost is missing: {self}")

    def __str__(self) -> str:
        return (
            f"made {self.made_count}, received {self.received_count}, ended {self.has_ended},"
            f" lost {self.lost_count} with {self.lost_with!r}, sent {self.sent_count},"
            f" {self.transport!r}"
        )


class StreamEnd(asyncio.Protocol):
    """Keep a life."""

    def __init__(self, life: Life) -> None:
        self.life = life
        life.act.world.protocols.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.life.made(transport)

    def data_received(self, data: bytes) -> None:
        self.life.received(data)
        self.life.maybe_raise("data_received")

    def eof_received(self) -> bool:
        return self.life.ended()

    def pause_writing(self) -> None:
        self.life.paused(1)

    def resume_writing(self) -> None:
        self.life.paused(-1)

    def connection_lost(self, exc: Exception | None) -> None:
        self.life.was_lost(exc)


class BufferedEnd(asyncio.BufferedProtocol):
    """Keep a life, and receive into a buffer of its own."""

    def __init__(self, life: Life, size: int) -> None:
        self.life = life
        self.buffer = memoryview(bytearray(size))
        life.act.world.protocols.add(self)

    connection_made = StreamEnd.connection_made
    eof_received = StreamEnd.eof_received
    pause_writing = StreamEnd.pause_writing
    resume_writing = StreamEnd.resume_writing
    connection_lost = StreamEnd.connection_lost

    def get_buffer(self, _sizehint: int) -> memoryview:
        self.life.maybe_raise("get_buffer")
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.life.received(self.buffer[:nbytes])
        self.life.maybe_raise("buffer_updated")


def new_protocol(life: Life) -> StreamEnd | BufferedEnd:
    """Return a protocol of a random kind."""
    size = life.act.choose(0, 0, 200, 5_000, 65_536)
    return BufferedEnd(life, size) if size else StreamEnd(life)
