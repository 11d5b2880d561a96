"""Serve an asyncio protocol class: one instance for each connection.

A protocol has no notion of an idle connection, so draining waits for the clients to go, or for the
deadline. Nothing of ours stands between the transport and the protocol: it costs what it would
cost without a launcher.
"""

import asyncio
from collections.abc import Sequence

from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.worker.adapters.base import AdapterContext, wait_until


class Adapter:
    """One asyncio server for each listening socket."""

    name = "protocol"

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._servers: list[asyncio.Server] = []

    async def start(self, sockets: Sequence[ListeningSocket]) -> None:
        """Accept connections."""
        loop = asyncio.get_running_loop()
        backlog = self._context.config.backlog
        for sock in sockets:
            make = self._context.application
            options = {"backlog": backlog, **self._context.tls_options(sock)}
            self._servers.append(await loop.create_server(make, sock=sock, **options))

    async def drain(self, deadline: float) -> None:
        """Wait for the connections to end; abort them at the deadline."""
        for server in self._servers:
            server.close()
        if not await wait_until(lambda: self._context.connection_count() == 0, deadline):
            self._abort()

    def _abort(self) -> None:
        """Abort what is left, where asyncio can; before Python 3.13 the exit closes it."""
        for server in self._servers:
            abort = getattr(server, "abort_clients", None)
            if abort is not None:
                abort()
