"""nginx's architecture for asyncio: an event loop on raw epoll and a prefork master."""

from ngxloop.loop import EventLoop
from ngxloop.version import __version__

__all__ = ["EventLoop", "__version__", "new_event_loop"]


def new_event_loop() -> EventLoop:
    """Return a new event loop, not set as the current one."""
    return EventLoop()
