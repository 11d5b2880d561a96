"""Serve an ASGI application with ngxloop's own HTTP server, on the master's sockets.

How it drains. First every answer says `Connection: close`, so that a client which is about to send
a request on an idle connection is served and told, not cut off; after --idle-grace connections
without a request are closed. In the meantime WebSockets are closed one after the other. Shortly
before the deadline the applications of endless answers are told that their clients have left; what
still runs at the deadline is named and cancelled. Then the lifespan ends. See HttpServer.drain().
"""

import asyncio
import os
from collections.abc import Callable, Sequence

from ngxloop.http.engine import Engine
from ngxloop.http.lifespan import LifespanError
from ngxloop.http.options import AccessRecord, Options
from ngxloop.http.proxies import TrustedProxies
from ngxloop.http.server import HttpServer
from ngxloop.serving.base.application import user_errors
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.worker.accesslines import make_access_log
from ngxloop.serving.worker.adapters.base import ALPN, AdapterContext, hung_named, lifespan_refusal

# How long requests that are cancelled at the deadline have for their clean-up. It is a part of
# CANCEL_SECONDS, of which the lifespan's shutdown gets the rest.
_CLEAN_UP_SECONDS = 0.2

# Whose word about client and scheme is believed: uvicorn's variable and, but for Unix sockets, its
# default.
_PROXIES_VARIABLE = "FORWARDED_ALLOW_IPS"
_PROXIES = "127.0.0.1,::1,unix:"


class Adapter:
    """One HttpServer."""

    name = "asgi"

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._config = context.config
        has_log = self._config.access_log is not None
        access_log = make_access_log(self._config) if has_log else None
        self._server = HttpServer(
            context.application,
            lifespan=self._config.lifespan,
            options=make_options(self._config, access_log),
        )
        self._listening: list[asyncio.Server] = []

    async def start(self, sockets: Sequence[ListeningSocket]) -> None:
        """Run the lifespan's start-up, then accept connections."""
        target = self._config.app
        self._engine.use_slot(self._context.board, self._context.slot, self._context.on_request)
        with user_errors(ExitCode.START_FAILED, f"{target} raised {{}} while starting"):
            try:
                await self._server.start()
            except LifespanError as error:
                raise lifespan_refusal(target, str(error)) from error
        if self._config.tls is not None:
            self._config.tls.offer(ALPN)
        loop = asyncio.get_running_loop()
        for sock in sockets:
            options = {"backlog": self._config.backlog, **self._context.tls_options(sock)}
            listening = await loop.create_server(self._server.protocol, sock=sock, **options)
            self._listening.append(listening)

    async def drain(self, deadline: float) -> None:
        """Tell clients to go, finish requests, and shut the application down."""
        for listening in self._listening:
            listening.close()
        seconds = max(0.0, deadline - asyncio.get_running_loop().time())
        with hung_named(self._engine.tasks, deadline):
            await self._server.drain(
                seconds,
                self._config.idle_grace,
                cancel_seconds=_CLEAN_UP_SECONDS,
                connection_count=self._context.connection_count,
            )
        await self._server.stop()

    @property
    def _engine(self) -> Engine:
        return self._server.engine


def make_options(config: Config, access_log: Callable[[AccessRecord], object] | None) -> Options:
    """Return the engine's options for those of the command.

    Raises:
        StartError: FORWARDED_ALLOW_IPS is no list of addresses and networks.
    """
    fields = config.header_fields
    proxies = os.environ.get(_PROXIES_VARIABLE, _PROXIES)
    try:
        TrustedProxies(proxies, 1)
    except ValueError as error:
        raise StartError(ExitCode.START_FAILED, f"{_PROXIES_VARIABLE}: {error}") from None
    return Options(
        root_path=config.root_path,
        server_header=config.server_header,
        date_header=config.date_header,
        headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in fields],
        client_header_timeout=config.client_header_timeout,
        client_body_timeout=config.client_body_timeout,
        send_timeout=config.send_timeout,
        timeout_keep_alive=config.timeout_keep_alive,
        keepalive_requests=config.keepalive_requests if config.timeout_keep_alive else 1,
        lingering_time=config.lingering_time,
        lingering_timeout=config.lingering_timeout,
        limit_target_bytes=config.max_target_bytes,
        limit_field_line_bytes=config.max_header_line_bytes,
        limit_fields_bytes=config.max_header_bytes,
        limit_field_count=config.max_headers,
        client_max_body_size=config.client_max_body_size,
        limit_concurrency=config.limit_concurrency or 0,
        ws_max_size=config.ws_max_size,
        ws_max_queue=config.ws_max_queue,
        ws_ping_interval=config.ws_ping_interval,
        ws_ping_timeout=config.ws_ping_timeout,
        ws_per_message_deflate=config.ws_per_message_deflate,
        websocket_drain=config.websocket_drain,
        underscores_in_headers=config.underscores_in_headers,
        forwarded_allow_ips=proxies,
        access_log=access_log,
    )
