"""The event loop of a program in a worker: it takes the accept gate and shares what it binds.

How a program gets it without knowing: provide_loops() sets the names by which programs find a loop,
in this process: asyncio's policy (asyncio.run, Runner, new_event_loop, get_event_loop),
asyncio.SelectorEventLoop (uvicorn asks for it by name) and ngxloop's own.

Rule: a worker has one slot in the scoreboard, so one accept gate: it belongs to the first loop that
begins to serve, until that is closed. Further loops accept without one, as in mode plain.
"""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import ngxloop
from ngxloop import policy
from ngxloop.core.shared_gate import SharedGate
from ngxloop.loop import EventLoop, call_directly
from ngxloop.serving.logs.logs import log
from ngxloop.serving.worker.keepalive import Connections
from ngxloop.serving.worker.sharedbind import SharedBindClient, is_making_server, make_unix_socket

_HAS_CLEANUP = sys.version_info >= (3, 13)  # create_unix_server(cleanup_socket=...)


class LoopContext:
    """What the loops of one worker have in common."""

    def __init__(
        self,
        client: SharedBindClient,
        make_gate: Callable[[], SharedGate],
        *,
        busy_poll: float = 0.0,
        coalesce_writes: bool = False,
    ) -> None:
        self.client = client
        self.serving: WorkerLoop | None = None  # has the accept gate
        self.connections: Connections | None = None  # those of a program
        self._make_gate = make_gate
        self._busy_poll = busy_poll
        self._coalesce_writes = coalesce_writes
        self._pid = os.getpid()

    def begin_serving(self, loop: "WorkerLoop") -> None:
        """A loop is about to accept connections: give it the gate if that is free."""
        if self.serving is loop or os.getpid() != self._pid:
            return
        if self.serving is not None and not self.serving.is_closed():
            log.warning(
                "a second event loop accepts connections: as in mode plain, and it is not drained"
            )
            return
        loop.set_accept_gate(self._make_gate())
        loop.set_busy_poll(self._busy_poll)
        loop.set_write_coalescing(self._coalesce_writes)
        self.serving = loop


class WorkerLoop(EventLoop):
    """An event loop that shares its listening sockets with the other workers."""

    loop_context: ClassVar[LoopContext]

    def __init__(self, selector: object = None) -> None:
        """Make a loop; a selector, which SelectorEventLoop would use, is not needed."""
        super().__init__()

    async def create_server(self, *args: Any, **options: Any) -> Any:
        """Create a TCP server as asyncio does, port 0 shared as well."""
        token = is_making_server.set(True)
        try:
            return await super().create_server(*args, **options)
        finally:
            is_making_server.reset(token)

    async def create_unix_server(
        self, protocol_factory: Any, path: Any = None, *, sock: Any = None, **options: Any
    ) -> Any:
        """Create a Unix server as asyncio does; its file is the master's to make and to remove."""
        if _HAS_CLEANUP:
            options["cleanup_socket"] = False
        if path is None or sock is not None:
            return await super().create_unix_server(protocol_factory, path, sock=sock, **options)
        sock = make_unix_socket(path)
        try:
            return await super().create_unix_server(protocol_factory, sock=sock, **options)
        except BaseException:
            self.loop_context.client.released(sock)
            sock.close()
            raise

    def accept_waiting(self) -> None:
        """Take every connection that waits at a listening socket: nobody will come after us."""
        for listener in list(self._listeners.values()):
            listener.accept_waiting()

    def _start_serving(self, protocol_factory: Any, *args: Any, **options: Any) -> None:
        self.loop_context.begin_serving(self)
        if self.loop_context.connections is not None:
            protocol_factory = self.loop_context.connections.noting(protocol_factory)
        super()._start_serving(protocol_factory, *args, **options)

    def _stop_serving(self, sock: Any) -> None:
        self.loop_context.client.released(sock)
        super()._stop_serving(sock)


def loop_class(loop_context: LoopContext) -> type[WorkerLoop]:
    """Return the class of the loops of one worker."""
    names = {"loop_context": loop_context, "__module__": __name__, "__doc__": WorkerLoop.__doc__}
    made = type("WorkerLoop", (WorkerLoop,), names)
    call_directly(made)
    return made


def provide_loops(loop_class: type[WorkerLoop]) -> None:
    """Let everything in this process get such loops that asks for an event loop."""
    setattr(ngxloop, "EventLoop", loop_class)  # noqa: B010 - names of modules, set on purpose
    setattr(policy, "EventLoop", loop_class)  # noqa: B010
    for name in ("SelectorEventLoop", "EventLoop"):  # the second since 3.13
        if hasattr(asyncio, name):
            setattr(asyncio, name, loop_class)
    policy.install()
