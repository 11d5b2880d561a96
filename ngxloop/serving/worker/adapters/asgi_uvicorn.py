"""Serve an ASGI application with uvicorn's server, on our loop and the master's sockets.

How it drains. First every answer says `Connection: close`, so that a client which is about to send
a request on an idle connection is served and told, not cut off; after --idle-grace, uvicorn's own
shut-down closes idle connections and WebSockets (1012), waits for requests, cancels them at the
deadline and ends the lifespan. Until then nothing of ours stands between uvicorn and the
application: a layer there cost 3 us of CPU a request, of 30.

Rule: of uvicorn only names without an underscore are used, by those versions that `ngxloop[serve]`
allows: Server.serve, startup, capture_signals, servers, started, should_exit, server_state;
Config.load, loaded_app, timeout_graceful_shutdown; what uvicorn_protocol.py needs of its protocols.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any, cast

import uvicorn

from ngxloop.serving.base.application import user_errors
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.worker.accesslines import make_access_log, needs_records
from ngxloop.serving.worker.adapters.asgi_records import record_requests
from ngxloop.serving.worker.adapters.base import Service, hung_named, wait_until
from ngxloop.serving.worker.adapters.uvicorn_protocol import HttpProtocol, protocol_class
from ngxloop.serving.worker.keepalive import Closer, close_after_answer


class Adapter:
    """One uvicorn server."""

    name = "asgi-uvicorn"

    def __init__(self, service: Service) -> None:
        self._target = service.config.app
        self._options = service.config
        self._connection_count = service.connection_count
        self._idle_grace = service.config.idle_grace
        self._config = _make_uvicorn_config(service)
        self._server = _Server(self._config, self._target)
        self._serving: asyncio.Task[None] | None = None

    async def start(self, sockets: Sequence[ListeningSocket]) -> None:
        """Run the lifespan's start-up, then accept connections."""
        with user_errors(ExitCode.START_FAILED, f"{self._target} raised {{}} while starting"):
            self._config.load()
            self._record_requests()
            self._serving = asyncio.create_task(self._server.serve(list(sockets)))
            started = asyncio.create_task(self._server.has_started.wait())
            try:
                await asyncio.wait([self._serving, started], return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                self._silence(self._serving)
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

    def _silence(self, serving: asyncio.Task[None]) -> None:
        """Log no failure of a start-up that is told to end: its cancellation makes it fail."""
        logging.getLogger("uvicorn.error").disabled = True
        serving.add_done_callback(lambda task: task.cancelled() or task.exception())

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

    def __init__(self, config: uvicorn.Config, target: str) -> None:
        super().__init__(config)
        self._target = target
        self.has_started = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        """Start, and say so; or raise, where uvicorn would exit (new ones) or return (old ones)."""
        with contextlib.suppress(SystemExit):
            await super().startup(sockets)
        if not self.started:
            line = f"the lifespan start-up of {self._target} failed; see above"
            raise StartError(ExitCode.START_FAILED, line)
        self.has_started.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def _make_uvicorn_config(service: Service) -> uvicorn.Config:
    config = service.config
    if config.log_level != "debug":  # its notes on every start and stop are the launcher's to give
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return uvicorn.Config(
        service.application,
        loop="none",
        lifespan=cast(Any, config.lifespan),  # one of its names
        log_config=None,
        http=protocol_class(service.count_request, is_silent=needs_records(config)),
        access_log=config.access_log is not None,
        workers=1,  # and not the environment's WEB_CONCURRENCY
        backlog=config.backlog,
        root_path=config.root_path.rstrip("/"),
        timeout_keep_alive=cast(int, config.timeout_keep_alive),  # it takes fractions
        limit_concurrency=config.limit_concurrency,
        server_header=config.server_header,
        date_header=config.date_header,
        headers=config.header_fields,
    )
