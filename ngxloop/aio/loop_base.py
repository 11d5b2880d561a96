"""LoopBase: the compiled loop and asyncio's BaseEventLoop in one class, the base of the mix-ins.

The mix-ins of this folder are its subclasses, so that type checkers see what `self` has: the
compiled methods, those of BaseEventLoop, and the attributes below. At run time that costs an entry
in the method resolution order and nothing else, because the interpreter caches look-ups by class.
The mix-ins have no slots of their own, so that they can be combined; EventLoop has those of SLOTS.
"""

import asyncio
import socket
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from ngxloop.core.attributes import LoopAttributes
from ngxloop.core.sockops import SockCalls
from ngxloop.transports.listener import Listener
from ngxloop.transports.tlsmemory import TlsMemory

# What a loop keeps in attributes: ours, and those of BaseEventLoop in all versions.
_OWN_ATTRIBUTES = (
    "_listeners",
    "_old_wakeup_fd",
    "_pidfds",
    "_pidfds_refused",
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
    "_timer_cancelled_count",
)

# The slots of EventLoop. They are its own and not LoopBase's because a slot of the very class of an
# object is set at once; that of a base is looked for in all bases first.
SLOTS = (*_OWN_ATTRIBUTES, *_BASE_ATTRIBUTES)


# The compiled methods that the interpreter is to call directly: EventLoop adopts them.
BUSY_METHODS = (
    "add_reader",
    "add_writer",
    "call_at",
    "call_later",
    "call_soon",
    "call_soon_threadsafe",
    "create_future",
    "create_task",
    "get_debug",  # asked by every future and task
    "is_closed",
    "is_running",  # asked by every task that begins at once
    "remove_reader",
    "remove_writer",
    "sock_recv",
    "sock_recv_into",
    "sock_sendall",
    "time",
)


class LoopBase(SockCalls, asyncio.BaseEventLoop):
    """The base of EventLoop and of its mix-ins; see the file header."""

    __slots__ = ()

    # The interpreter would give this class a descriptor of its own, which would not record that
    # there is a dictionary from now on.
    __dict__ = vars(LoopAttributes)["__dict__"]

    _listeners: dict[socket.socket, Listener]
    _old_wakeup_fd: int | None  # to be restored after the run; None if signals were left alone
    _pidfds: set[int]
    _pidfds_refused: bool  # threads wait for processes: the kernel or a sandbox has no pidfds
    _signal_handlers: dict[int, Any]  # asyncio.Handle, of which types know too few attributes
    _signals_seen: set[int]
    _tls_memory: TlsMemory | None
    # socket -> inode of its file, if the file is to be removed; create_unix_server fills it
    _unix_server_sockets: dict[socket.socket, int]

    if TYPE_CHECKING:
        # What the mix-ins and the core use of BaseEventLoop's private names, which typeshed omits.
        _old_agen_hooks: Any

        def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None: ...
        def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None: ...
        def _check_callback(self, callback: object, method: str) -> None: ...
        def _check_running(self) -> None: ...
        def _check_sendfile_params(self, sock: Any, file: Any, offset: Any, count: Any) -> None: ...
        def _check_thread(self) -> None: ...
        async def _create_connection_transport(
            self, sock: socket.socket, *args: Any, **options: Any
        ) -> Any: ...
        async def _ensure_resolved(self, address: Any, **options: Any) -> Any: ...
        def _make_socket_transport(
            self, sock: socket.socket, protocol: Any, *args: Any, **options: Any
        ) -> Any: ...
        def _set_coroutine_origin_tracking(self, enabled: bool) -> None: ...
