"""The event loops that the suite compares, and a record of what they report.

Rules:
- Every loop made here hands what it reports to its exception handler to `reports`; a test that
  provokes a report takes it out of there, and a report nobody took fails the test (conftest.py).
- The order of LOOPS is the order of the test ids: asyncio first, because it is the standard that
  a test must hold for before it may judge another loop.
"""

import asyncio
import importlib
import os
from collections.abc import Callable
from typing import Any

Context = dict[str, Any]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

# A loop to run the suite on in place of ngxloop, as MODULE:FACTORY; for comparing with others.
OTHER_LOOP = os.environ.get("NGXLOOP_TEST_LOOP", "ngxloop:new_event_loop")

reports: list[Context] = []


def load_factory(name: str) -> LoopFactory:
    """Return the callable that MODULE:FACTORY names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


class RecordingFactory:
    """Make loops that append to `reports` what asyncio's own handler would log."""

    def __init__(self, name: str, factory: LoopFactory) -> None:
        self.name = name
        self.factory = factory

    def __call__(self) -> asyncio.AbstractEventLoop:
        loop = self.factory()
        loop.set_exception_handler(lambda _loop, context: reports.append(context))
        return loop


LOOPS: dict[str, RecordingFactory] = {
    factory.name: factory
    for factory in (
        RecordingFactory("asyncio", asyncio.SelectorEventLoop),
        RecordingFactory(OTHER_LOOP.partition(":")[0], load_factory(OTHER_LOOP)),
    )
}


def is_stdlib(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell asyncio's own loops from all others, where the two differ on purpose."""
    return type(loop).__module__.startswith("asyncio.")


def run_turns(loop: asyncio.AbstractEventLoop, count: int) -> None:
    """Let a loop that does not run take `count` turns."""
    for _ in range(count):
        loop.call_soon(loop.stop)
        loop.run_forever()
