"""What a worker asks of the code that serves one kind of application."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Protocol

from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.timing import DRAIN_POLL_SECONDS
from ngxloop.serving.config.config import Config
from ngxloop.serving.logs.logs import log
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.worker.shutdownsignals import describe_some

ALPN = ("http/1.1",)  # what servers of HTTP speak behind TLS


@dataclasses.dataclass(frozen=True)
class AdapterContext:
    """What an adapter is made for, and what the worker lets it use."""

    application: Any
    config: Config
    connection_count: Callable[[], int]  # accepted connections that are open now
    count_request: Callable[[], object]  # called once for each request that was answered
    board: Scoreboard  # for a server that counts its requests there by itself
    slot: int
    on_request: Callable[[], object] | None  # what such a one calls instead, if they are limited
    share_sockets: Callable[[Callable[[], object]], None]  # of the program; tells when it listens
    # what loop.create_server() and the like take for TLS at a socket: nothing if it speaks none
    tls_options: Callable[[ListeningSocket], dict[str, Any]]
    end: Callable[[int], None]  # the application has ended by itself, with an exit status


class Adapter(Protocol):
    """Serves one application on the listening sockets of the master."""

    name: str  # the --interface value

    def __init__(self, context: AdapterContext) -> None: ...

    async def start(self, sockets: Sequence[ListeningSocket]) -> None:
        """Run the application's start-up and accept connections.

        Raises:
            StartError: The application raised, or refused.
        """

    async def drain(self, deadline: float) -> None:
        """Accept no more, finish what is in progress, run the application's shut-down.

        Args:
            deadline: In loop time; what still runs then is cancelled.
        """


async def wait_until(condition: Callable[[], bool], deadline: float) -> bool:
    """Wait until the condition holds; False if the deadline, in loop time, came first.

    It looks every DRAIN_POLL_SECONDS: servers do not tell when their last connection ends, and
    only a worker that is about to exit waits here.
    """
    loop = asyncio.get_running_loop()
    while not condition():
        remaining = deadline - loop.time()
        if remaining <= 0:
            return False
        await asyncio.sleep(min(DRAIN_POLL_SECONDS, remaining))
    return True


@contextlib.contextmanager
def hung_named(requests: AbstractSet[asyncio.Task[Any]], deadline: float) -> Iterator[None]:
    """Name the requests that still run at the deadline, before the server cancels them."""

    def name_hung() -> None:
        if requests:
            log.warning("not drained at the deadline; cancelling %s", describe_some(requests))

    alarm = asyncio.get_running_loop().call_at(deadline, name_hung)
    try:
        yield
    finally:
        alarm.cancel()


def lifespan_refusal(target: str, reason: str) -> StartError:
    """Say why the start-up failed; frameworks give a whole traceback as their reason."""
    lines = reason.strip().splitlines() or [""]
    traceback = reason.rstrip("\n") + "\n" if len(lines) > 1 else ""
    line = f"the lifespan start-up of {target} failed: {lines[-1]}"
    return StartError(ExitCode.START_FAILED, line, traceback)
