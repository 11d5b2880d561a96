"""The master's one wait: for file descriptors and for points in time, each with what to call.

How alarms stay cheap. They stand in a heap; a cancelled one stays there until its time comes, which
is soon: there are a handful of them.
"""

import heapq
import itertools
import select
import time
from collections.abc import Callable

from ngxloop.serving.config import MAX_WAIT_SECONDS

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT
Action = Callable[[], None]


class Alarm:
    """Something to call at a time; cancel() forgets it."""

    def __init__(self, action: Action) -> None:
        self._action: Action | None = action

    def cancel(self) -> None:
        """Do not call it any more."""
        self._action = None

    def ring(self) -> None:
        """Call it, once."""
        action, self._action = self._action, None
        if action is not None:
            action()


class Poller:
    """An epoll and its handlers, and the alarms."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Action] = {}
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._numbers = itertools.count()  # equal times ring in the order in which they were set

    def add(self, fd: int, handler: Action, events: int = READABLE) -> None:
        """Call the handler whenever the descriptor is readable (writable) or at its end."""
        self._epoll.register(fd, events)
        self._handlers[fd] = handler

    def change(self, fd: int, handler: Action, events: int) -> None:
        """Wait for something else of a descriptor."""
        self._epoll.modify(fd, events)
        self._handlers[fd] = handler

    def remove(self, fd: int) -> None:
        """Forget a descriptor; before it is closed."""
        self._epoll.unregister(fd)
        del self._handlers[fd]

    def call_later(self, seconds: float, action: Action) -> Alarm:
        """Call the action when so many seconds have passed."""
        alarm = Alarm(action)
        when = time.monotonic() + seconds
        heapq.heappush(self._alarms, (when, next(self._numbers), alarm))
        return alarm

    def wait(self, timeout: float | None) -> None:
        """Wait for events, at most so many seconds; call their handlers and what is due."""
        for fd, _ in self._epoll.poll(self._clip(timeout)):
            handler = self._handlers.get(fd)  # None: an earlier handler removed it
            if handler is not None:
                handler()
        now = time.monotonic()
        while self._alarms and self._alarms[0][0] <= now:
            heapq.heappop(self._alarms)[2].ring()

    def close(self) -> None:
        """Close the epoll only."""
        self._epoll.close()

    def _clip(self, timeout: float | None) -> float | None:
        """Return the time until the first alarm, if that is sooner."""
        if self._alarms:
            left = max(0.0, self._alarms[0][0] - time.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        # its caller looks at the clock, and waits on
        return None if timeout is None else min(timeout, MAX_WAIT_SECONDS)
