"""What holds for every test: which loop it runs on, and what it must not leave behind.

Rules:
- `async def` tests run on ngxloop's loop; those in conformance/ run on asyncio's and on ngxloop's.
- A test fails that leaves file descriptors or tasks behind, or lets a loop report an exception
  that the test does not take out of `reports`.
"""

import asyncio
import compileall
import gc
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pytest_asyncio import fixture as async_fixture
from pytest_asyncio import is_async_test

import ngxloop
from tests.support import loops
from tests.support.leaks import fds_opened_since, open_fds
from tests.support.surroundings import make_neutral

# Seconds for tasks that a test has ended, but not awaited, to finish.
TASK_GRACE = 1.0


def pytest_configure() -> None:
    """Make the tests independent of the environment they are started in.

    Hundreds of processes import ngxloop: each would compile it where its bytecode is not kept.
    """
    make_neutral()
    compileall.compile_dir(Path(ngxloop.__file__).parent, quiet=2)


@pytest.hookimpl(trylast=True)
def pytest_asyncio_loop_factories() -> Mapping[str, loops.LoopFactory]:
    """Run every `async def` test on ngxloop's loop."""
    return dict([list(loops.LOOPS.items())[-1]])


@pytest.fixture(autouse=True)
def no_leaked_fds() -> Iterator[None]:
    """Fail a test after which more file descriptors are open than before.

    What lives when a test begins, mostly pytest's items and reports, is taken out of the
    collector's sight: it is looked at several times a test, and with it took two thirds of the
    suite's time.
    """
    gc.freeze()
    before = open_fds()
    yield
    leaked = fds_opened_since(before)
    assert not leaked, f"file descriptors leaked: {', '.join(leaked)}"


@pytest.fixture(autouse=True)
def reports(no_leaked_fds: None) -> Iterator[list[loops.Context]]:
    """Give what the loops report to their exception handler; what is left at the end fails."""
    loops.reports.clear()
    yield loops.reports
    gc.collect()
    left, loops.reports[:] = list(loops.reports), []
    assert not left, f"reported to the loop's exception handler: {left}"


@pytest.fixture(autouse=True)
def no_leaked_tasks(request: pytest.FixtureRequest, reports: list[loops.Context]) -> None:
    """Fail an `async def` test that leaves tasks running."""
    if is_async_test(request.node):
        request.getfixturevalue("_no_leaked_tasks_on_loop")


@async_fixture
async def _no_leaked_tasks_on_loop():
    yield
    if tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        _, running = await asyncio.wait(tasks, timeout=TASK_GRACE)
        assert not running, f"tasks leaked: {running}"
