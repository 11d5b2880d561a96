"""Wait for descriptors and for points in time, and call their handlers behind a guard.

Rules.
1. No exception of a handler leaves the poller but KeyboardInterrupt and SystemExit. The failure is
   counted and logged (failures.py), then the on_failure of the handler closes the session or
   replaces the worker that it belongs to. A handler that is still registered afterwards is paused:
   epoll is level-triggered, so one that always raises would use all the CPU. The pause doubles up
   to RETRY_LIMIT_SECONDS.
2. Events are matched with registrations before the first handler runs. If an earlier handler of the
   same batch has removed a descriptor, or registered its number again, the event is dropped: the
   number may be another file's. (core/pool.pyx does the same with a generation in epoll's data.)
3. An event of an unregistered descriptor comes from one that was closed here but is still open in
   another process: epoll cannot remove it (epoll(7), question 6). A new epoll instance replaces the
   old one then.
4. A forked child never returns through the guard: it would go on as a second master.

Alarms are in a heap. A cancelled one stays there until its time: a session that has ended leaves
its time-out there for up to 2 s.
"""

import contextlib
import dataclasses
import errno
import functools
import heapq
import itertools
import os
import select
import time
from collections.abc import Callable

from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.timing import MAX_WAIT_SECONDS
from ngxloop.serving.process.failures import Failures

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT
RETRY_SECONDS = 0.01  # the first pause of a handler that has failed
RETRY_LIMIT_SECONDS = 1.0  # the longest
Action = Callable[[], object]

# OWNS: epoll objects with a descriptor that other code has closed. A destructor would close the
# number, which may be another file's.
_lost: list[select.epoll] = []


@dataclasses.dataclass(frozen=True)
class Handler:
    """What to call, and what follows a failure."""

    name: HandlerName
    action: Action
    on_failure: Action | None = None  # ends the owner; None: it is paused and called again
    subject: object = None  # the owner, for the log


class Alarm:
    """A handler that is called at a time; cancel() forgets it."""

    def __init__(self, handler: Handler) -> None:
        self.handler: Handler | None = handler
        self.failure_count: int = 0

    def cancel(self) -> None:
        """Do not call it any more."""
        self.handler = None


@dataclasses.dataclass(eq=False)
class _Registration:
    """A descriptor and its handler; another object each time it is registered."""

    fd: int
    handler: Handler
    events: int
    failure_count: int = 0  # in a row
    pause: Alarm | None = None  # ends it; the descriptor is not in the epoll

    @property
    def is_paused(self) -> bool:
        return self.pause is not None


class Poller:
    """An epoll and its handlers, and the alarms."""

    def __init__(self) -> None:
        self.failures: Failures = Failures()
        self._epoll = select.epoll()
        self._registrations: dict[int, _Registration] = {}
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._numbers = itertools.count()  # equal times expire in the order in which they were set
        self._failure_count = 0  # of the poll itself, in a row
        self._pid = os.getpid()
        # Called before each handler of a descriptor, with the seconds to wait; it never raises.
        self.first: Callable[[float], object] | None = None

    def add(self, fd: int, handler: Handler, events: int = READABLE) -> None:
        """Call the handler whenever the descriptor is readable (writable) or at its end.

        Raises:
            OSError: The kernel has no room for it; nothing has changed.
        """
        self._epoll.register(fd, events)
        self._registrations[fd] = _Registration(fd, handler, events)

    def change(self, fd: int, handler: Handler, events: int) -> None:
        """Wait for something else of a descriptor."""
        pause = self._registrations[fd].pause
        if pause is None:
            self._epoll.modify(fd, events)
        else:
            self._epoll.register(fd, events)
            pause.cancel()
        self._registrations[fd] = _Registration(fd, handler, events)

    def remove(self, fd: int) -> None:
        """Forget a descriptor, if it is known; before it is closed."""
        registration = self._registrations.pop(fd, None)
        if registration is None:
            return
        if registration.pause is not None:
            registration.pause.cancel()
        else:
            self._unregister(fd)

    def call_later(self, seconds: float, handler: Handler) -> Alarm:
        """Call the handler after a time."""
        alarm = Alarm(handler)
        self._set(alarm, seconds)
        return alarm

    def call(self, handler: Handler) -> bool:
        """Call a handler now; False if it raised. This is the guard, see rule 1."""
        try:
            handler.action()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._contain(handler, error)
            return False
        return True

    def wait(self, timeout: float | None) -> None:
        """Wait for events, until the time-out at most; call their handlers and what is due."""
        for registration in self._poll(self._clip(timeout)):
            self.look_first()
            if self._is_current(registration):
                self._handle(registration)
        now = time.monotonic()
        while self._alarms and self._alarms[0][0] <= now:
            self._expire(heapq.heappop(self._alarms)[2])

    def look_first(self, seconds: float = 0.0) -> None:
        """Handle what goes before everything else, if it comes within a time."""
        if self.first is not None:
            self.first(seconds)

    def close(self) -> None:
        """Close the epoll only."""
        self._epoll.close()

    # Failures ----------------------------------------------------------------------------------

    def _contain(self, handler: Handler, error: BaseException) -> None:
        if os.getpid() != self._pid:
            os._exit(ExitCode.INTERNAL)
        self.failures.note(handler.name, error, handler.subject)
        if handler.on_failure is not None:
            try:
                handler.on_failure()
            except Exception as another:
                self.failures.note(handler.name, another, handler.subject)

    def _handle(self, registration: _Registration) -> None:
        if self.call(registration.handler):
            registration.failure_count = 0
        elif self._is_current(registration):
            self._pause(registration)

    def _pause(self, registration: _Registration) -> None:
        self._unregister(registration.fd)
        registration.failure_count += 1

        def resume() -> None:
            self._epoll.register(registration.fd, registration.events)
            registration.pause = None

        delay = retry_delay(registration.failure_count)
        registration.pause = self.call_later(delay, Handler(registration.handler.name, resume))

    def _is_current(self, registration: _Registration) -> bool:
        is_known = self._registrations.get(registration.fd) is registration
        return is_known and not registration.is_paused

    # Alarms ------------------------------------------------------------------------------------

    def _set(self, alarm: Alarm, seconds: float) -> None:
        heapq.heappush(self._alarms, (time.monotonic() + seconds, next(self._numbers), alarm))

    def _expire(self, alarm: Alarm) -> None:
        handler = alarm.handler
        if handler is not None and not self.call(handler) and handler.on_failure is None:
            alarm.failure_count += 1
            self._set(alarm, retry_delay(alarm.failure_count))

    # The epoll ---------------------------------------------------------------------------------

    def _poll(self, timeout: float | None) -> list[_Registration]:
        """Return what is ready; after a failure pause, renew the epoll and return nothing."""
        try:
            fds = [fd for fd, _ in self._epoll.poll(timeout)]
        except Exception as error:
            self.failures.note(HandlerName.POLL, error)
            self._failure_count += 1
            time.sleep(retry_delay(self._failure_count))
            if isinstance(error, OSError | ValueError):
                renew = functools.partial(self._renew, error)
                self.call(Handler(HandlerName.POLL, renew))
            return []
        self._failure_count = 0
        known = self._registrations
        ready = [known[fd] for fd in fds if fd in known and not known[fd].is_paused]
        if len(ready) < len(fds):  # see rule 3
            self.call(Handler(HandlerName.POLL, self._renew))
        return ready

    def _renew(self, error: Exception | None = None) -> None:
        """Replace the epoll instance, and register everything in the new one."""
        fresh = select.epoll()
        if _is_closed_by_others(error):
            _lost.append(self._epoll)
        else:
            self._epoll.close()
        self._epoll = fresh
        for registration in list(self._registrations.values()):
            if not registration.is_paused and not self.call(self._registering(registration)):
                self._pause(registration)

    def _registering(self, registration: _Registration) -> Handler:
        def register() -> None:
            self._epoll.register(registration.fd, registration.events)

        return dataclasses.replace(registration.handler, action=register)

    def _unregister(self, fd: int) -> None:
        with contextlib.suppress(OSError, ValueError):  # it was closed before: see rule 3
            self._epoll.unregister(fd)

    def _clip(self, timeout: float | None) -> float | None:
        """Return the time until the first alarm, if that is sooner."""
        if self._alarms:
            left = max(0.0, self._alarms[0][0] - time.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        # its caller looks at the clock, and waits on
        return None if timeout is None else min(timeout, MAX_WAIT_SECONDS)


def _is_closed_by_others(error: Exception | None) -> bool:
    """Say whether a poll failed because its descriptor is closed, or another file by now."""
    if isinstance(error, OSError):
        return error.errno in (errno.EBADF, errno.EINVAL)
    return error is not None


def do_nothing() -> None:
    """Do nothing: for a callback that is not needed, as the on_failure of an alarm."""


def retry_delay(failure_count: int) -> float:
    """Return how long to wait after a number of failures in a row."""
    return float(min(RETRY_SECONDS * 2 ** min(failure_count - 1, 20), RETRY_LIMIT_SECONDS))
