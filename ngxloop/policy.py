"""Policy: makes ngxloop the loop of asyncio.set_event_loop_policy().

Thin, because event loop policies are deprecated since Python 3.14 and end with 3.16:
`ngxloop.run()` and `asyncio.Runner(loop_factory=ngxloop.new_event_loop)` need none.
"""

import sys

from ngxloop.loop import EventLoop

if sys.version_info >= (3, 14):  # the public names warn there
    from asyncio.events import _set_event_loop_policy as _set_policy
    from asyncio.unix_events import _DefaultEventLoopPolicy as _DefaultPolicy
else:
    from asyncio import DefaultEventLoopPolicy as _DefaultPolicy
    from asyncio import set_event_loop_policy as _set_policy

__all__ = ["EventLoopPolicy", "Policy", "install"]


class Policy(_DefaultPolicy):
    """asyncio's default policy, but for its loops: those are ngxloop's."""

    def _loop_factory(self) -> EventLoop:
        return EventLoop()


EventLoopPolicy = Policy


def install() -> None:
    """Make ngxloop the loop of asyncio.run() and asyncio.new_event_loop() in this process."""
    _set_policy(Policy())
