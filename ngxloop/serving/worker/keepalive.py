"""End the keep-alive connections of a program's HTTP server with their next answer.

A program learns of the drain by a signal, and its server then closes idle connections at once: a
request that is on its way to one is lost. So from the beginning of the drain until that signal, for
--idle-grace, every answer says `Connection: close`, as those of applications do. A client which has
read that sends nothing more on the connection.

How it works. A WorkerLoop notes what its listeners make. Of that, the protocols of four servers
are known: that of ngxloop.http, uvicorn's (h11 and httptools), aiohttp's, and the streams of
hypercorn, whose callback has the configuration in its closure. They are recognised by their
module, because this file imports none of them. Other servers are told by their signal only.

Trap 1: a protocol exists before connection_made(), behind TLS long before, and its server does not
know it until then. So the end reaches every protocol that was made, not those that a server lists.

Trap 2: aiohttp offers nothing public for this once its application is frozen. If a version has
other names, its connections are closed as if this file did not exist (test_keepalive.py sees it).
"""

import contextlib
import weakref
from collections.abc import Callable, Iterable
from typing import Any

Header = tuple[bytes, bytes]
Factory = Callable[[], Any]

CLOSE_HEADER: Header = (b"connection", b"close")
_UVICORN = frozenset({"uvicorn.protocols.http.h11_impl", "uvicorn.protocols.http.httptools_impl"})
_OURS = "ngxloop.http.connection"
_AIOHTTP = "aiohttp.web_server"
_HYPERCORN = "hypercorn.asyncio.run"
_HYPERCORN_CONFIG = "hypercorn.config"


class Connections:
    """The accepted connections of a program, as far as their protocols are known."""

    def __init__(self) -> None:
        self._protocols: weakref.WeakSet[Any] = weakref.WeakSet()  # uvicorn's
        self._servers: weakref.WeakSet[Any] = weakref.WeakSet()  # aiohttp's
        self._configs: weakref.WeakSet[Any] = weakref.WeakSet()  # hypercorn's
        self._engines: set[Any] = set()  # of ngxloop.http, one for each server
        self._is_ending = False

    def noting(self, factory: Factory) -> Factory:
        """Return a protocol factory that does the same, and notes what must be told."""
        if _is_of(factory, (_AIOHTTP,)):
            self._note_aiohttp_server(factory)
            return factory

        def make() -> Any:
            protocol = factory()
            if _is_of(protocol, _UVICORN):
                self._protocols.add(protocol)
                if self._is_ending:
                    close_after_answer(protocol, Closer(protocol.app))
            elif _is_of(protocol, (_OURS,)):
                self._note_engine(protocol.engine)
            elif (callback := getattr(protocol, "_client_connected_cb", None)) is not None:
                self._configs.update(_hypercorn_configs(callback))
            return protocol

        return make

    def end(self) -> None:
        """Let each connection end with its next answer, those that begin later too."""
        if self._is_ending:
            return
        self._is_ending = True
        for protocol in list(self._protocols):
            close_after_answer(protocol, Closer(protocol.app))
        for server in list(self._servers):
            with contextlib.suppress(AttributeError):  # another version of aiohttp: see above
                _close_after_answers_in_progress(server)
        for engine in self._engines:
            engine.drain()
        for config in self._configs:
            config.keep_alive_max_requests = 0  # of a connection, after which it says that it ends

    def _note_engine(self, engine: Any) -> None:
        self._engines.add(engine)
        if self._is_ending:
            engine.drain()

    def _note_aiohttp_server(self, server: Any) -> None:
        """Let its requests look as if their clients had asked for the end, once that has come."""
        if server in self._servers:  # it has several listeners
            return
        self._servers.add(server)
        with contextlib.suppress(AttributeError):  # another version of aiohttp: see above
            make_request = server.request_factory

            def make(message: Any, *rest: Any) -> Any:
                if self._is_ending and not message.upgrade:
                    message = message._replace(should_close=True)
                return make_request(message, *rest)

            server.request_factory = make


def _is_of(found: object, modules: Iterable[str]) -> bool:
    """Say whether an object's class, or a base of it, is of one of the modules."""
    return any(base.__module__ in modules for base in type(found).__mro__)


# uvicorn -----------------------------------------------------------------------------------------


class Closer:
    """An ASGI application around another one, which adds `Connection: close` to its answers."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """Answer."""
        if scope["type"] != "http":
            return self._application(scope, receive, send)

        async def send_closing(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _closing(message.get("headers", ()))}
            await send(message)

        return self._application(scope, receive, send_closing)


def close_after_answer(protocol: Any, closer: Closer) -> None:
    """End uvicorn's connection with the answer that is in progress, or else with the next one."""
    protocol.app = closer
    if protocol.cycle is not None:
        protocol.cycle.default_headers = _ClosingHeaders(protocol.cycle.default_headers)


class _ClosingHeaders(list[Header]):
    """What uvicorn puts before the application's headers; ours takes the place of theirs.

    An answer in progress has its `send` already, so nothing can stand between the two any more.
    """

    def __init__(self, headers: Iterable[Header]) -> None:
        super().__init__(_closing(headers))

    def __add__(self, headers: Any) -> Any:
        """Return the headers of the answer."""
        return [*self, *_without_ours(headers)]


def _closing(headers: Iterable[Header]) -> list[Header]:
    """Return the headers with ours in the place of the application's own."""
    return [*_without_ours(headers), CLOSE_HEADER]


def _without_ours(headers: Iterable[Header]) -> list[Header]:
    return [header for header in headers if header[0].lower() != CLOSE_HEADER[0]]


# aiohttp -----------------------------------------------------------------------------------------


def _close_after_answers_in_progress(server: Any) -> None:
    """Let requests that are made already look as if their clients had asked for the end."""
    for handler in server.connections:
        request = handler._current_request
        if request is not None:
            request._message = request._message._replace(should_close=True)


# hypercorn ---------------------------------------------------------------------------------------


def _hypercorn_configs(callback: Any) -> list[Any]:
    """Return the configuration of the server that a callback of streams belongs to."""
    if getattr(callback, "__module__", None) != _HYPERCORN:
        return []
    cells = getattr(callback, "__closure__", None) or ()
    return [
        cell.cell_contents for cell in cells if _is_of(cell.cell_contents, (_HYPERCORN_CONFIG,))
    ]
