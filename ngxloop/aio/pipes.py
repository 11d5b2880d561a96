"""Pipe transports: the hooks of connect_read_pipe, connect_write_pipe and the processes."""

import contextvars
from asyncio import futures
from typing import Any

from ngxloop.transports.pipe_read import connect_read_pipe
from ngxloop.transports.pipe_write import connect_write_pipe


class PipeHooks:
    """What BaseEventLoop calls for FIFOs, sockets and character devices."""

    def _make_read_pipe_transport(
        self: Any,
        pipe: Any,
        protocol: Any,
        waiter: Any = None,
        extra: dict[str, Any] | None = None,
        *,
        context: contextvars.Context | None = None,
    ) -> Any:
        """Return a transport that reads a pipe; waiter is done after connection_made()."""
        transport = connect_read_pipe(self, pipe, protocol, extra, context)
        self._wake_when_made(waiter)
        return transport

    def _make_write_pipe_transport(
        self: Any,
        pipe: Any,
        protocol: Any,
        waiter: Any = None,
        extra: dict[str, Any] | None = None,
        *,
        context: contextvars.Context | None = None,
    ) -> Any:
        """Return a transport that writes to a pipe; waiter is done after connection_made()."""
        transport = connect_write_pipe(self, pipe, protocol, extra, context)
        self._wake_when_made(waiter)
        return transport

    def _wake_when_made(self: Any, waiter: Any) -> None:
        if waiter is not None:
            self.call_soon(futures._set_result_unless_cancelled, waiter, None)  # type: ignore[attr-defined]
