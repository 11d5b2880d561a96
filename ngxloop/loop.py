"""EventLoop: the compiled reactor and asyncio's own BaseEventLoop in one class.

BaseEventLoop brings what every version of asyncio promises, in its own code: create_connection with
happy eyeballs, create_server, Server, exception handling, executors, asynchronous generators. The
compiled classes come before it in the method resolution order and replace what is hot; the mix-ins
of ngxloop.aio, which come first, fill its hooks. "Extending asyncio" in Python's documentation
describes this way, and SelectorEventLoop is built so.
"""

import asyncio

import ngxloop.aio.handles
import ngxloop.compiled  # noqa: F401  for tools that freeze programs
from ngxloop.aio.connections import Connections, remember_hooks
from ngxloop.aio.forking import remember_loop
from ngxloop.aio.loop_base import BUSY_METHODS, SLOTS
from ngxloop.aio.monitoring import Monitoring
from ngxloop.aio.processes import ProcessHooks
from ngxloop.aio.running import Running
from ngxloop.aio.tls import TlsHooks
from ngxloop.aio.transports import TransportHooks
from ngxloop.core.methods import adopt_methods


class EventLoop(TransportHooks, TlsHooks, Connections, ProcessHooks, Running, Monitoring):
    """An asyncio event loop on epoll; see the file header."""

    # Programs may set other attributes as well. Until they do, there is no dictionary that the
    # interpreter must search before it calls a method: a turn went from 2,522 instructions to
    # 2,238.
    __slots__ = SLOTS

    def __init__(self) -> None:
        self._signal_handlers = {}
        self._signals_seen = set()
        self._pidfds = set()
        self._pidfds_refused = False
        self._listeners = {}
        self._unix_server_sockets = {}
        self._tls_memory = None
        asyncio.BaseEventLoop.__init__(self)
        remember_loop(self)

    def close(self) -> None:
        """Close the loop; harmless when closed.

        Raises:
            RuntimeError: the loop is running.
            ValueError: a signal handler is installed, and this is not the main thread. The loop is
                closed all the same.
        """
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if self.is_closed():
            return
        try:
            self._close_signals()
        finally:
            try:
                super().close()  # not by name: globals may be None while the interpreter shuts down
            finally:
                self._drop_everything()
                self._close_pidfds()


def call_directly(loop_class: type[EventLoop]) -> None:
    """Make the interpreter call the busiest methods of a class of loops directly."""
    adopt_methods(loop_class, BUSY_METHODS)


call_directly(EventLoop)
remember_hooks(EventLoop)
