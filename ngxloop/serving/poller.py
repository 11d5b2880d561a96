"""The master's one wait: file descriptors, each with the function to call when it is readable."""

import select
from collections.abc import Callable

from ngxloop.serving.config import MAX_WAIT_SECONDS


class Poller:
    """An epoll and its handlers."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def add(self, fd: int, handler: Callable[[], None]) -> None:
        """Call the handler whenever the descriptor is readable or at its end."""
        self._epoll.register(fd, select.EPOLLIN)
        self._handlers[fd] = handler

    def remove(self, fd: int) -> None:
        """Forget a descriptor; before it is closed."""
        self._epoll.unregister(fd)
        del self._handlers[fd]

    def wait(self, timeout: float | None) -> None:
        """Wait for events, at most so many seconds, and call their handlers."""
        if timeout is not None:
            timeout = min(timeout, MAX_WAIT_SECONDS)  # its caller looks at the clock, and waits on
        for fd, _ in self._epoll.poll(timeout):
            handler = self._handlers.get(fd)  # None: an earlier handler removed it
            if handler is not None:
                handler()

    def close(self) -> None:
        """Close the epoll only."""
        self._epoll.close()
