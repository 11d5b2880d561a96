"""Put another loop into the place of asyncio's own, before the interpreter's tests are imported.

How it works. The tests make loops in three ways: by the classes that asyncio exports, by
asyncio.new_event_loop(), which asks the default policy, and by TestLoop of test.test_asyncio.utils,
whose clock the test moves. All three are replaced. What is made is counted, and so is every loop of
asyncio's own: a run that tested the wrong loop must not pass.
"""

import asyncio
import collections
import importlib
from asyncio import unix_events
from typing import Any

from test.test_asyncio import utils as test_utils

from tests.cpython.testloop import test_loop_class

MADE: collections.Counter[str] = collections.Counter()

ASYNCIO = "asyncio:SelectorEventLoop"


def load_loop_class(name: str) -> type:
    """Return the class that MODULE:CLASS names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def swap_in(name: str) -> None:
    """Let asyncio make loops of the class MODULE:CLASS; with asyncio's own, only count them."""
    _count_own_loops()
    if name == ASYNCIO:
        return
    swapped = _swapped_class(load_loop_class(name))
    for module in (asyncio, unix_events):
        for attribute in ("SelectorEventLoop", "EventLoop"):
            if hasattr(module, attribute):
                setattr(module, attribute, swapped)
    unix_events._UnixDefaultEventLoopPolicy._loop_factory = swapped
    if hasattr(swapped, "_run_turns"):
        test_utils.TestLoop = test_loop_class(swapped)


def _count_own_loops() -> None:
    """Count the loops of asyncio's own class, of which a swapped run must make none."""
    own_class = unix_events._UnixSelectorEventLoop
    own_init = own_class.__init__

    def counting_init(self: Any, selector: Any = None) -> None:
        MADE["asyncio"] += 1
        own_init(self, selector)

    own_class.__init__ = counting_init

    def counting_test_init(self: Any, gen: Any = None) -> None:
        MADE["asyncio"] += 1
        own_test_init(self, gen)

    own_test_init = test_utils.TestLoop.__init__
    test_utils.TestLoop.__init__ = counting_test_init


def _swapped_class(loop_class: type) -> type:
    """Return a subclass that counts its loops; it takes a selector, as asyncio's does."""

    class SwappedLoop(loop_class):
        def __new__(cls, selector: Any = None) -> Any:
            return super().__new__(cls)

        def __init__(self, selector: Any = None) -> None:
            MADE["swapped"] += 1
            if selector is not None:
                selector.close()
            super().__init__()

    return SwappedLoop
