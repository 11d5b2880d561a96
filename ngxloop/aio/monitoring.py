"""What a loop reports: stats(), slow callbacks, and failures of callbacks and protocols."""

import asyncio
from asyncio import base_events, format_helpers
from collections.abc import Callable
from typing import Any, NamedTuple

from ngxloop.aio.connections import is_replaced
from ngxloop.aio.loop_base import BUSY_METHODS, LoopBase
from ngxloop.core.handle import Handle
from ngxloop.core.methods import adopted_methods
from ngxloop.transports.datagram_inbox import receives_many
from ngxloop.transports.datagram_outbox import sends_many
from ngxloop.transports.streamreader import feeds_readers
from ngxloop.transports.tlsobject import calls_directly

# Called with what took long, an asyncio.Handle or a transport, and the seconds it took.
SlowCallbackHook = Callable[[Any, float], object]


class LoopStats(NamedTuple):
    """What a loop has done since it was created, and what it holds now; see EventLoop.stats().

    Counters only grow, so that two snapshots give a rate. Fields that begin with "Right now" are
    gauges.
    """

    turn_count: int
    """Turns of the loop."""
    poll_count: int
    """How often the kernel was asked for events."""
    skipped_poll_count: int
    """Turns that did not ask, because nothing was watched and something was ready."""
    sleep_count: int
    """Polls that may block in the kernel until something happens."""
    ready_count: int
    """Right now: callbacks and connections that run in this turn or the next. One that was
    cancelled when it was ready counts until then, as in asyncio's own queue."""
    timer_count: int
    """Right now: timers that have neither fired nor been cancelled."""
    connection_count: int
    """Right now: fds of transports and listeners, and those that a reader, a writer or a sock_*
    call waits for. One that was closed without remove_reader() counts until it is removed."""
    connection_count_max: int
    """The highest connection_count so far."""
    free_connection_count: int
    """Right now: connection slots that are allocated and free; more are allocated when needed."""
    accept_count: int
    """Connections accepted."""
    accept_pause_count: int
    """How often accepting paused for a second, because the process was out of fds or memory."""
    slow_callback_count: int
    """Callbacks that took long, while debug mode was on or a slow-callback hook was set."""
    received_bytes: int
    """Bytes that transports have received. sock_*, add_reader and sendfile are not counted."""
    sent_bytes: int
    """Bytes that the kernel has taken from transports."""
    fast_paths: frozenset[str]
    """Right now: which fast paths are in use. Everything works without them, more slowly.

    The compiled methods that are called most, by their names ("call_soon", "sock_recv"): the
    interpreter calls them directly. Not those that are replaced, in the loop or in its class.
    Some of them have further conditions:

    - "call_soon", "call_later", "call_at": not in debug mode. "call_later": time() and call_at()
      are not overridden.
    - "create_future": asyncio.futures.Future is not replaced.
    - "create_task": makes an asyncio.Task itself. Not in debug mode, with a task factory, or if
      asyncio.tasks.Task is replaced.

    Others:

    - "attributes": the program has set no attribute of its own on the loop, nor used vars(loop).
    - "clock": time() is not overridden.
    - "connections": create_connection() to a numeric address is compiled. Not in debug mode, nor if
      a method it would call is replaced, in the loop or in the socket module.
    - "epoll_pwait2": waits end to the microsecond. Not once the kernel, or a sandbox, has refused
      this call; then to the millisecond.
    - "handles": callbacks are called directly. Not in debug mode, with a slow-callback hook, or if
      asyncio.Handle._run is replaced.
    - "pidfds": the loop itself waits for child processes. Not once the kernel, or a sandbox, has
      refused pidfd_open(); then a thread waits for each.
    - "recvmmsg", "sendmmsg": one call receives or sends several datagrams. Not once it was refused.
    - "stream_readers": received data goes straight into asyncio.StreamReader. Not if one of its
      methods, or of StreamReaderProtocol's, is replaced or has unknown code.
    - "tls": OpenSSL is called without the Python functions of ssl.SSLObject. Not if its read() or
      write() is replaced or has unknown code.
    """


class Monitoring(LoopBase):
    """The reports of the event loop; see the file header."""

    __slots__ = ()

    def stats(self) -> LoopStats:
        """Return a snapshot of the loop's counters; changes nothing.

        From another thread: any moment between two callbacks.

        Notes:
            O(1): some thirty microseconds, however much is ready, armed or open.
        """
        return LoopStats(**self._counters(), fast_paths=self._fast_paths())

    def _fast_paths(self) -> frozenset[str]:
        active = {
            "connections": not self.get_debug() and not is_replaced(self),
            "pidfds": not self._pidfds_refused,
            "recvmmsg": receives_many(),
            "sendmmsg": sends_many(),
            "stream_readers": feeds_readers(),
            "tls": calls_directly(),
        }
        others = self._inner_fast_paths() | {name for name in active if active[name]}
        methods = adopted_methods(type(self), BUSY_METHODS) - self._own_attributes.keys()
        return frozenset(others | methods - self._general_methods())

    def set_slow_callback_hook(self, hook: SlowCallbackHook | None, seconds: float = 0.1) -> None:
        """Call hook(source, seconds_taken) after every callback that blocks the loop for long.

        Args:
            hook: gets an asyncio.Handle, or for a connection's event its transport, and the time it
                took. It runs in the loop: keep it short. Its exceptions go to the loop's exception
                handler. None removes the hook.
            seconds: a callback that takes at least this long is slow.

        Raises:
            TypeError: hook is neither callable nor None.
            ValueError: seconds is negative or nan.

        Notes:
            Debug mode is not needed. While a hook is set, every callback costs two readings of the
            clock, about 50 ns; without one nothing.
        """
        if hook is not None and not callable(hook):
            raise TypeError(f"a callable object or None was expected, got {hook!r}")
        if not seconds >= 0:
            raise ValueError(f"seconds must not be negative, got {seconds!r}")
        self._set_slow_hook(hook, seconds)

    # ---- what the compiled code calls: see ngxloop.core.callbacks

    def _run_slow_hook(self, hook: SlowCallbackHook, source: object, seconds: float) -> None:
        try:
            hook(source, seconds)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.call_exception_handler(
                {"message": f"Exception in slow-callback hook {hook!r}", "exception": exc}
            )

    def _report_slow(self, source: object, seconds: float) -> None:
        """Log a callback or a connection's event that took long, in debug mode."""
        if isinstance(source, asyncio.Handle):
            text = base_events._format_handle(source)  # type: ignore[attr-defined]
        else:
            text = repr(source)
        # By the name that test suites replace when they check this.
        base_events.logger.warning(  # type: ignore[attr-defined]
            "Executing %s took %.3f seconds", text, seconds
        )

    def _report_handle_failure(self, handle: Handle, exc: BaseException) -> None:
        """Pass a callback's exception to the exception handler, in the words of asyncio.Handle."""
        callback = format_helpers._format_callback_source(handle._callback, handle._args)
        context = {
            "message": f"Exception in callback {callback}",
            "exception": exc,
            "handle": handle,
        }
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        self.call_exception_handler(context)

    def _report_protocol_failure(
        self, transport: Any, callback: Any, args: tuple[Any, ...], exc: BaseException
    ) -> None:
        """Pass on the exception of a protocol method that does not end the connection."""
        text = format_helpers._format_callback_source(callback, args)
        self.call_exception_handler(
            {
                "message": f"Exception in callback {text}",
                "exception": exc,
                "transport": transport,
                "protocol": transport.get_protocol(),
            }
        )
