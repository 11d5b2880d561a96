"""Every test of this folder runs twice: on asyncio's loop and on ngxloop's.

`async def` tests get their loop from the hook below; tests that start and stop a loop themselves
ask for `loop`, or for `loop_factory` when they need several.
"""

import asyncio
import signal
from collections.abc import Iterator, Mapping

import pytest

from tests.support import loops


@pytest.hookimpl(tryfirst=True)
def pytest_asyncio_loop_factories() -> Mapping[str, loops.LoopFactory]:
    """Run every `async def` test of this folder on each loop."""
    return loops.LOOPS


@pytest.fixture(params=loops.LOOPS)
def loop_factory(request: pytest.FixtureRequest) -> loops.LoopFactory:
    """Give the function that makes one loop of the kind under test."""
    return loops.LOOPS[request.param]


@pytest.fixture
def loop(loop_factory: loops.LoopFactory) -> Iterator[asyncio.AbstractEventLoop]:
    """Give a loop that the test runs itself; it is closed at the end."""
    loop = loop_factory()
    yield loop
    loop.close()


@pytest.fixture
def signals_are_put_back() -> Iterator[None]:
    """Check that a test leaves the handlers and the wake-up fd as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGUSR1, signal.SIGUSR2)}
    yield
    for number, handler in before.items():
        assert signal.getsignal(number) == handler, f"signal {number} was not put back"
    assert signal.set_wakeup_fd(-1) == -1, "the wake-up fd was not put back"
