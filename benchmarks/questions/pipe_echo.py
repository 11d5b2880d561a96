"""What does it cost to send a message through a pipe, from one end to the other?

Unit: nanoseconds per message of 1 KiB, written with connect_write_pipe and read with
connect_read_pipe of the same loop, one at a time.
Leaves out: large messages, and the other process that a pipe usually has.
"""

import asyncio
import os

from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations

MESSAGE = b"x" * 1024


class Reader(asyncio.Protocol):
    """Answers each message by having the next one sent, until enough have come."""

    def __init__(self, count: int, done: asyncio.Future[None]) -> None:
        self.left_bytes = count * len(MESSAGE)
        self.done = done
        self.writer: asyncio.WriteTransport | None = None

    def data_received(self, data: bytes) -> None:
        self.left_bytes -= len(data)
        if self.left_bytes <= 0:
            self.done.set_result(None)
        elif self.left_bytes % len(MESSAGE) == 0:
            assert self.writer is not None
            self.writer.write(MESSAGE)


async def send_often(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    done = loop.create_future()
    read_fd, write_fd = os.pipe()
    source, sink = os.fdopen(read_fd, "rb", 0), os.fdopen(write_fd, "wb", 0)
    reading, reader = await loop.connect_read_pipe(
        lambda: Reader(case.number("operations"), done), source
    )
    writing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sink)
    reader.writer = writing
    writing.write(MESSAGE)
    await done
    writing.close()
    reading.close()


QUESTION = SchedulerQuestion(send_often, [operations(20_000)])
