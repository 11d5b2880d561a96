"""How much does a client connection cost: create_connection, then close?

Unit: nanoseconds per connection to a C server on the other core, one after the other: connected,
told to the protocol, aborted, and connection_lost awaited.
Leaves out: resolving names, and several connections at once.
"""

import asyncio

from benchmarks.harness.clients import ClientQuestion
from benchmarks.harness.echo import HOST
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import operations


class Connected(asyncio.Protocol):
    """Knows when its connection is gone."""

    def __init__(self, lost: asyncio.Future[None]) -> None:
        self.lost = lost

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.set_result(None)


async def connect_often(loop: asyncio.AbstractEventLoop, case: Case, port: int) -> None:
    for _ in range(case.number("operations")):
        lost = loop.create_future()
        transport, _ = await loop.create_connection(lambda lost=lost: Connected(lost), HOST, port)
        transport.abort()
        await lost


QUESTION = ClientQuestion(connect_often, [operations(500)])
