"""EventLoop: the compiled reactor and asyncio's own BaseEventLoop in one class.

BaseEventLoop brings what every version of asyncio promises, in its own code: create_connection with
happy eyeballs, create_server, Server, start_tls, exception handling, executors, asynchronous
generators. The compiled classes stand before it in the method resolution order and replace what is
hot; the mixins of ngxloop.aio fill its hooks. "Extending asyncio" in Python's documentation
describes this way, and SelectorEventLoop is built so.
"""

import asyncio
import socket
import sys
import warnings

import ngxloop.compiled  # noqa: F401  for tools that freeze programs
from ngxloop.aio.busypoll import BusyPolling
from ngxloop.aio.coalescing import WriteCoalescing
from ngxloop.aio.connections import ClientConnections, remember_hooks
from ngxloop.aio.datagrams import DatagramHooks
from ngxloop.aio.forking import remember_loop
from ngxloop.aio.handles import HandleReports
from ngxloop.aio.monitoring import Statistics
from ngxloop.aio.names import NameResolution
from ngxloop.aio.pipes import PipeHooks
from ngxloop.aio.processes import ProcessHooks
from ngxloop.aio.running import Running
from ngxloop.aio.sendfile import FileSending
from ngxloop.aio.signals import SignalHandlers
from ngxloop.aio.sockmethods import SocketMethods
from ngxloop.aio.tls import TlsHooks
from ngxloop.aio.transports import StreamHooks
from ngxloop.aio.unixsockets import UnixSockets
from ngxloop.core.attributes import LoopAttributes
from ngxloop.core.methods import adopt_methods
from ngxloop.core.sockops import SockCalls
from ngxloop.transports.listener import Listener
from ngxloop.transports.tlsmemory import TlsMemory

# What a loop keeps in attributes: ours, and those of BaseEventLoop in all versions.
_OWN_ATTRIBUTES = (
    "_listeners",
    "_old_wakeup_fd",
    "_pidfds",
    "_signal_handlers",
    "_signals_seen",
    "_tls_memory",
    "_unix_server_sockets",
)
_BASE_ATTRIBUTES = (
    "_asyncgens",
    "_asyncgens_shutdown_called",
    "_clock_resolution",
    "_coroutine_origin_tracking_enabled",
    "_coroutine_origin_tracking_saved_depth",
    "_default_executor",
    "_exception_handler",
    "_executor_shutdown_called",
    "_internal_fds",
    "_old_agen_hooks",
    "_ready",
    "_scheduled",
    "_task_factory",
    "_thread_id",
    "_timer_cancelled_count",
)

# Not time(): whether that is overridden is seen by comparing it.
_BUSY_METHODS = (
    "call_at",
    "call_later",
    "call_soon",
    "call_soon_threadsafe",
    "create_future",
    "create_task",
)


class EventLoop(
    SockCalls,
    BusyPolling,
    ClientConnections,
    DatagramHooks,
    FileSending,
    HandleReports,
    NameResolution,
    PipeHooks,
    ProcessHooks,
    Running,
    SignalHandlers,
    SocketMethods,
    Statistics,
    StreamHooks,
    TlsHooks,
    UnixSockets,
    WriteCoalescing,
    asyncio.BaseEventLoop,
):
    """An asyncio event loop on epoll; see the file header."""

    # Programs may set other attributes as well. While they do not, there is no dictionary in which
    # the interpreter must look before it calls a method: a turn went from 2,522 instructions to
    # 2,238.
    __slots__ = (*_OWN_ATTRIBUTES, *_BASE_ATTRIBUTES)

    # The interpreter would give this class a descriptor of its own, which does not tell that there
    # is a dictionary from now on.
    __dict__ = vars(LoopAttributes)["__dict__"]

    def __init__(self) -> None:
        self._signal_handlers: dict[int, object] = {}
        self._signals_seen: set[int] = set()
        self._pidfds: set[int] = set()
        self._listeners: dict[socket.socket, Listener] = {}
        self._unix_server_sockets: dict[socket.socket, int] = {}
        self._tls_memory: TlsMemory | None = None
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
                super().close()  # not by name: the interpreter may shut down, and globals be None
            finally:
                self._drop_everything()
                self._close_pidfds()

    def _close_signals(self) -> None:
        """Restore the signals' default actions; too late while the interpreter shuts down."""
        if not self._signal_handlers:
            return
        if sys.is_finalizing():
            warnings.warn(
                f"Closing the loop {self!r} on interpreter shutdown stage, "
                f"skipping signal handlers removal",
                ResourceWarning,
                source=self,
            )
            self._signal_handlers.clear()
            return
        try:
            for sig in list(self._signal_handlers):
                self.remove_signal_handler(sig)
        except BaseException:
            self._leave_signal_pipe()
            raise


def call_directly(loop_class: type[EventLoop]) -> None:
    """Let the interpreter call the busiest methods of a class of loops directly."""
    adopt_methods(loop_class, _BUSY_METHODS)


call_directly(EventLoop)
remember_hooks(EventLoop)
