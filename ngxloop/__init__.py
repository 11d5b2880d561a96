"""nginx's architecture for asyncio: an event loop on raw epoll and a prefork master.

ngxloop.run(main())                                          # like asyncio.run()
asyncio.Runner(loop_factory=ngxloop.new_event_loop)
asyncio.set_event_loop_policy(ngxloop.Policy())
$ ngxloop-serve myapp:app --workers 4
"""

import asyncio
import platform
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

if sys.platform != "linux" or platform.python_implementation() != "CPython":
    raise ImportError(
        f"ngxloop needs Linux and CPython (epoll, eventfd, the C API); this is "
        f"{platform.python_implementation()} on {sys.platform}"
    )

from ngxloop.aio.monitoring import LoopStats
from ngxloop.loop import EventLoop
from ngxloop.policy import EventLoopPolicy, Policy, install
from ngxloop.version import __version__

__all__ = [
    "EventLoop",
    "EventLoopPolicy",
    "LoopStats",
    "Policy",
    "__version__",
    "install",
    "new_event_loop",
    "run",
]

T = TypeVar("T")


def new_event_loop() -> EventLoop:
    """Return a new event loop; it is not set as the current one."""
    return EventLoop()


def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
    """Run a coroutine on a new ngxloop event loop and return its result, as asyncio.run() does.

    Args:
        debug: debug mode of the loop; None takes PYTHONASYNCIODEBUG and -X dev.

    Raises:
        RuntimeError: a loop runs in this thread already.
        ValueError, TypeError: main is not a coroutine.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("ngxloop.run() cannot be called from a running event loop")
    with asyncio.Runner(debug=debug, loop_factory=new_event_loop) as runner:
        return runner.run(main)
