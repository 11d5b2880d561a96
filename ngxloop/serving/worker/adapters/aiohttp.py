"""Serve an aiohttp.web.Application with aiohttp's runner, on the master's sockets.

How it drains. First every answer says `Connection: close`, as with ASGI; after --idle-grace,
aiohttp's own clean-up closes idle connections and runs on_shutdown; requests may go on until the
deadline, then they are cancelled, and on_cleanup ends it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import BadHttpMessage
from aiohttp.log import server_logger
from aiohttp.web_log import AccessLogger

from ngxloop.http.options import AccessRecord
from ngxloop.serving.base.application import user_errors
from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.base.plaintext import one_line
from ngxloop.serving.config.config import Config
from ngxloop.serving.logs.limitedlines import LimitedLines
from ngxloop.serving.logs.logs import log
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.worker.accesslines import make_access_log, needs_records
from ngxloop.serving.worker.adapters.base import ALPN, AdapterContext, hung_named, wait_until

# How long aiohttp waits for a request after our deadline before it cancels it, in two steps.
_CANCEL_STEP_SECONDS = 0.2
# aiohttp's error for the first bytes of a TLS handshake; older releases show the bytes.
_TLS_HELLO = ("HTTPS traffic", r"\x16\x03")
_MALFORMED_LINE = "malformed request refused: %s"
_ERROR_CHARACTERS = 200
_HELLO_LINE = "a client began a TLS handshake on a port without TLS; refused with 400"


class Adapter:
    """One aiohttp runner."""

    name = "aiohttp"

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._config = context.config
        self._count_request = context.count_request
        self._connection_count = context.connection_count
        self._application: web.Application = context.application
        self._is_closing = False
        self._requests: set[asyncio.Task[Any]] = set()
        self._runner = _Runner(
            self._application,
            handle_signals=False,
            logger=_ServerLogger(),
            **_access_options(context.config),
        )

    async def start(self, sockets: Sequence[ListeningSocket]) -> None:
        """Run on_startup, then accept connections."""
        self._application.on_response_prepare.append(self._close_connection)
        self._application.middlewares.insert(0, self._note_request)
        with user_errors(ExitCode.START_FAILED, f"{self._config.app} raised {{}} while starting"):
            await self._runner.setup()
        if self._config.tls is not None:
            self._config.tls.offer(ALPN)
        for sock in sockets:
            tls = self._context.tls_options(sock)
            await _Site(self._runner, sock, backlog=self._config.backlog, tls=tls).start()

    async def drain(self, deadline: float) -> None:
        """Tell clients to go, then let aiohttp clean up."""
        self._is_closing = True
        for site in self._runner.sites:
            await site.stop()
        loop = asyncio.get_running_loop()
        grace_end = min(deadline, loop.time() + self._config.idle_grace)
        # Those that were accepted a moment ago are not known to aiohttp yet.
        await wait_until(lambda: self._connection_count() == 0, grace_end)
        self._runner.deadline = deadline
        with hung_named(self._requests, deadline):
            await self._runner.cleanup()

    @web.middleware
    async def _note_request(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Know which tasks answer requests, and that their connections are not idle."""
        task = asyncio.current_task()
        assert task is not None
        _mark_idle(request.transport, False)
        self._requests.add(task)
        try:
            response: web.StreamResponse = await handler(request)
        finally:
            self._requests.discard(task)
        return response

    async def _close_connection(self, request: web.Request, response: web.StreamResponse) -> None:
        """Tell the client, unless this begins a WebSocket; the headers are made by now."""
        self._count_request()
        if self._is_closing and "Upgrade" not in response.headers:
            response.force_close()
            response.headers["Connection"] = "close"


class _Site(web.SockSite):
    """aiohttp's site, with a time-out for handshakes."""

    __slots__ = ("_tls",)

    def __init__(
        self,
        runner: web.AppRunner,
        sock: ListeningSocket,
        *,
        backlog: int,
        tls: dict[str, Any],
    ) -> None:
        super().__init__(runner, sock, ssl_context=tls.get("ssl"), backlog=backlog)
        self._tls = tls

    async def start(self) -> None:
        """Accept connections."""
        await web.BaseSite.start(self)
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None
        options = {"backlog": self._backlog, **self._tls}
        self._server = await loop.create_server(server, sock=self._sock, **options)


class _Runner(web.AppRunner):
    """aiohttp's runner, with a deadline for requests.

    Its shutdown_timeout would be spent twice: before a request's body is cut off, and before its
    task is cancelled. So the long wait is done here, and the two waits after it are short.
    """

    __slots__ = ("deadline",)

    def __init__(self, application: web.Application, **options: Any) -> None:
        super().__init__(application, shutdown_timeout=_CANCEL_STEP_SECONDS, **options)
        self.deadline = 0.0

    async def shutdown(self) -> None:
        """Run on_shutdown, close idle connections, wait for the others until the deadline."""
        await super().shutdown()
        if self.server is not None:
            seconds = max(_CANCEL_STEP_SECONDS, self.deadline - asyncio.get_running_loop().time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.server.shutdown(2 * seconds)


# aiohttp tells its access logger alone when an answer has been sent: the connection is idle then.


class _IdleTeller(AbstractAccessLogger):
    """Writes nothing; see _mark_after()."""

    def log(self, request: Any, response: Any, time: float) -> None:
        """Take note of an answer."""
        _mark_after(request, response)


class _LoggingIdleTeller(AccessLogger):
    """Writes the access log, too."""

    def log(self, request: Any, response: Any, time: float) -> None:
        """Take note of an answer."""
        super().log(request, response, time)
        _mark_after(request, response)


class _RecordingIdleTeller(AbstractAccessLogger):
    """Writes the access log in the format of --access-log-format."""

    tell: Callable[[AccessRecord], object]

    def log(self, request: Any, response: Any, time: float) -> None:
        """Take note of an answer."""
        type(self).tell(make_record(request, response, time))
        _mark_after(request, response)


def make_record(
    request: web.BaseRequest, response: web.StreamResponse, time: float
) -> AccessRecord:
    """Return what the access log says about a request.

    aiohttp's own header fields are there, too. The size of a body without Content-Length is that of
    the whole answer: aiohttp does not count the body alone.
    """
    length = response.content_length
    body_bytes = response.body_length if length is None else length
    peer = request.get_extra_info("peername")  # None if the client has left
    port = peer[1] if isinstance(peer, tuple) else 0
    client = (request.remote, port) if request.remote else None
    version = f"{request.version.major}.{request.version.minor}"
    return AccessRecord(
        client,
        request.method,
        request.raw_path,
        version,
        response.status,
        0 if request.method == "HEAD" else body_bytes,
        time,
        request.raw_headers,
        [(name.encode(), value.encode()) for name, value in response.headers.items()],
    )


class _ServerLogger(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's logger, with one line for each kind of malformed request, at a limited rate.

    aiohttp answers 400 and logs a traceback each time: at level DEBUG, if the first line of the
    connection is not HTTP, else at level ERROR.
    """

    def __init__(self) -> None:
        super().__init__(server_logger, {})
        self._hellos = LimitedLines(log.warning)
        self._malformed = LimitedLines(log.warning)

    def log(self, level: int, msg: object, *args: Any, **options: Any) -> None:
        """Log a record."""
        error = options.get("exc_info")
        if isinstance(error, BadHttpMessage) and any(one in str(error) for one in _TLS_HELLO):
            self._hellos.add(_HELLO_LINE)
        elif isinstance(error, BadHttpMessage) and level >= logging.ERROR:
            self._malformed.add(_MALFORMED_LINE, _describe(error))
        else:
            super().log(level, msg, *args, **options)


def _describe(error: BadHttpMessage) -> str:
    """Return what is wrong with a request; aiohttp's C parser shows its bytes from line two on."""
    text = error.message.partition("\n")[0].strip(" :")
    return one_line(f"{type(error).__name__}: {text}", _ERROR_CHARACTERS)


def _mark_after(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Let a keep-alive connection be closed for a new one until the next request arrives."""
    if response.keep_alive and "Upgrade" not in response.headers:
        _mark_idle(request.transport, True)


def _mark_idle(transport: Any, is_idle: bool) -> None:
    if hasattr(transport, "set_reusable"):  # not None, and one of our loop's
        transport.set_reusable(is_idle)


def _access_options(config: Config) -> dict[str, Any]:
    """Return what aiohttp's runner takes for the access log."""
    if config.access_log is None:
        return {"access_log_class": _IdleTeller}
    if not needs_records(config):
        return {"access_log_class": _LoggingIdleTeller}
    tell = staticmethod(make_access_log(config, "aiohttp.access"))
    return {"access_log_class": type("Teller", (_RecordingIdleTeller,), {"tell": tell})}
