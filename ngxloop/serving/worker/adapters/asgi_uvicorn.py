"""Serve an ASGI application with uvicorn's server, on our loop and the master's sockets.

How it drains. First every answer says `Connection: close`, so that a client which is about to send
a request on an idle connection is served and told, not cut off; after --idle-grace, uvicorn's own
shut-down closes idle connections and WebSockets (1012), waits for requests, cancels them at the
deadline and ends the lifespan. Until then nothing of ours stands between uvicorn and the
application: a layer there cost 3 us of CPU a request, of 30.

Rule: of uvicorn only names without an underscore are used, by those versions that `ngxloop[serve]`
allows: Server.serve, startup, capture_signals, servers, started, should_exit, server_state;
Config.load, loaded_app, lifespan_class, timeout_graceful_shutdown; what uvicorn_protocol.py needs
of its protocols.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any, cast

import uvicorn

from ngxloop.http.lifespan import Lifespan, LifespanError
from ngxloop.serving.base.application import user_errors
from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.worker.accesslines import make_access_log, needs_records
from ngxloop.serving.worker.adapters.asgi_records import record_requests
from ngxloop.serving.worker.adapters.base import (
    AdapterContext,
    hung_named,
    lifespan_refusal,
    wait_until,
)
from ngxloop.serving.worker.adapters.uvicorn_protocol import HttpProtocol, protocol_class
from ngxloop.serving.worker.keepalive import Closer, close_after_answer

_UVICORN = os.path.join(os.path.dirname(os.path.abspath(uvicorn.__file__)), "")


class Adapter:
    """One uvicorn server."""

    name = "asgi-uvicorn"

    def __init__(self, context: AdapterContext) -> None:
        self._target = context.config.app
        self._options = context.config
        self._connection_count = context.connection_count
        self._idle_grace = context.config.idle_grace
        self._config = _make_uvicorn_config(context)
        self._server = _Server(self._config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self, sockets: Sequence[ListeningSocket]) -> None:
        """Run the lifespan's start-up, then accept connections."""
        with user_errors(ExitCode.START_FAILED, f"{self._target} raised {{}} while starting"):
            self._config.load()
            self._record_requests()
            mode, target = self._options.lifespan, self._target
            self._config.lifespan_class = cast(
                Any, lambda config: _Lifespan(Lifespan(config.loaded_app, mode), target)
            )
            self._serving = asyncio.create_task(self._server.serve(list(sockets)))
            started = asyncio.create_task(self._server.has_started.wait())
            try:
                await asyncio.wait([self._serving, started], return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                self._serving.add_done_callback(lambda task: task.cancelled() or task.exception())
                raise
            finally:
                started.cancel()
            if self._serving.done():
                self._serving.result()

    def _record_requests(self) -> None:
        """Write the access log, if uvicorn's own line is not enough; 3 us of CPU a request."""
        if needs_records(self._options):
            tell = make_access_log(self._options, "uvicorn.access")
            self._config.loaded_app = record_requests(self._config.loaded_app, tell)

    async def drain(self, deadline: float) -> None:
        """Tell clients to go, then let uvicorn shut down."""
        assert self._serving is not None
        for server in self._server.servers:
            server.close()
        closer = self._config.loaded_app = Closer(self._config.loaded_app)
        self._close_connections(closer)
        await asyncio.sleep(0)  # those that were accepted in this turn have begun then
        self._close_connections(closer)
        loop = asyncio.get_running_loop()
        grace_end = min(deadline, loop.time() + self._idle_grace)
        # Those that were accepted a moment ago are not known to uvicorn yet.
        await wait_until(lambda: self._connection_count() == 0, grace_end)
        remaining = max(0.0, deadline - loop.time())
        # An int by its annotation; uvicorn hands it to asyncio.wait_for, which takes fractions.
        self._config.timeout_graceful_shutdown = cast(int, remaining)
        self._server.should_exit = True
        with hung_named(self._server.server_state.tasks, deadline):
            await self._serving

    def _close_connections(self, closer: Closer) -> None:
        """Let each connection end with an answer that says so."""
        for connection in self._server.server_state.connections:
            if isinstance(connection, HttpProtocol):  # the others are WebSockets
                close_after_answer(connection, closer)


class _Server(uvicorn.Server):
    """uvicorn's server as a part of a worker: signals are the worker's, failing is an exception."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self.has_started.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class _Lifespan:
    """Our lifespan, as uvicorn's server asks for it: a failure is an exception with its reason."""

    should_exit = False

    def __init__(self, lifespan: Lifespan, target: str) -> None:
        self.state: dict[str, Any] = {}
        self._lifespan = lifespan
        self._target = target

    async def startup(self) -> None:
        """Run the application's start-up."""
        try:
            await self._lifespan.start()
        except LifespanError as error:
            raise lifespan_refusal(self._target, str(error)) from error
        self.state = self._lifespan.state or {}

    async def shutdown(self) -> None:
        """Run the application's shutdown."""
        await self._lifespan.stop()


class _QuietFilter(logging.Filter):
    """Drops what uvicorn says itself, and the launcher says better; not what applications say.

    Its notes on every start and stop, and that it cancels requests at the deadline, with a
    traceback for each: hung_named() has named them.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is to be logged."""
        if not record.pathname.startswith(_UVICORN):
            return True
        error = record.exc_info[1] if record.exc_info else None
        is_cancelling = isinstance(error, asyncio.CancelledError) or str(record.msg).startswith(
            "Cancel %s running task"
        )
        return record.levelno >= logging.WARNING and not is_cancelling


def _make_uvicorn_config(context: AdapterContext) -> uvicorn.Config:
    config = context.config
    logger = logging.getLogger("uvicorn.error")
    if not any(isinstance(one, _QuietFilter) for one in logger.filters):
        logger.addFilter(_QuietFilter())
    is_silent = config.access_log is None or needs_records(config)
    made = uvicorn.Config(
        context.application,
        loop="none",
        lifespan="off",  # see _Lifespan
        log_config=None,
        http=protocol_class(context.count_request, is_silent=is_silent),
        access_log=config.access_log is not None,
        workers=1,  # and not the environment's WEB_CONCURRENCY
        backlog=config.backlog,
        root_path=config.root_path.rstrip("/"),
        timeout_keep_alive=cast(int, config.timeout_keep_alive),  # it takes fractions
        limit_concurrency=config.limit_concurrency,
        server_header=config.server_header,
        date_header=config.date_header,
        headers=config.header_fields,
        ws_max_size=cast(int, config.ws_max_size or None),
        ws_max_queue=config.ws_max_queue,
        ws_ping_interval=config.ws_ping_interval or None,
        ws_ping_timeout=config.ws_ping_timeout or None,
        ws_per_message_deflate=config.ws_per_message_deflate,
    )
    logging.getLogger("uvicorn.access").propagate = True  # for lines of the application
    return made
