"""Descriptor numbers that are used again: see tests.conformance.descriptors."""

import asyncio
import contextlib

import pytest

from tests.conformance.descriptors.before import BEFORE, STALE_ON_ASYNCIO
from tests.conformance.descriptors.supply import Supply
from tests.conformance.descriptors.taking import NOT_TAKING, TAKING, USES
from tests.support import loops
from tests.support.loops import is_stdlib
from tests.support.programs import run_program
from tests.support.waiting import turns

# Seconds after which a use that asyncio does not serve counts as one that waits.
PATIENCE = 5.0


async def outcome(before, use):
    """Return the result of a use of numbers that had other users before."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        supply = Supply(loop, stack)
        await BEFORE[before](supply)
        try:
            return await asyncio.wait_for(use(supply), PATIENCE)
        finally:
            await forget(supply)


async def forget(supply):
    """Remove the readers and writers that were left, as a program should have done."""
    for fd in supply.stale:
        with contextlib.suppress(RuntimeError):
            supply.loop.remove_reader(fd)
            supply.loop.remove_writer(fd)
    await turns(2)


@pytest.fixture(scope="session")
def on_unused():
    """Give what each use gives on asyncio where nothing had the numbers before."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return {name: runner.run(outcome("nothing", use)) for name, use in USES.items()}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("before", BEFORE)
async def test_each_use_of_a_number_works_after_each_former_use(before, use, on_unused):
    if is_stdlib(asyncio.get_running_loop()) and before in STALE_ON_ASYNCIO:
        pytest.skip("asyncio takes the number for the file it still watches")

    assert await outcome(before, USES[use]) == on_unused[use]


OPTIMISED = """
    import asyncio
    import ngxloop
    from tests.conformance.descriptors.taking import USES
    from tests.conformance.test_descriptor_numbers import outcome

    if __debug__:
        raise SystemExit("asserts are compiled in")
    with asyncio.Runner(loop_factory=ngxloop.new_event_loop) as runner:
        for before in ("waited_to_receive", "timed_out_connections_by_name", "had_readers"):
            for use in USES.values():
                runner.run(outcome(before, use))
        print(len(USES))
"""


def test_nothing_depends_on_asserts():
    assert run_program(OPTIMISED, PYTHONOPTIMIZE="1") == f"{len(USES)}\n"


def test_every_public_method_of_every_loop_is_listed():
    methods = set()
    for factory in loops.LOOPS.values():
        with contextlib.closing(factory()) as loop:
            methods |= {
                name
                for name in dir(loop)
                if not name.startswith("_") and callable(getattr(loop, name))
            }

    assert methods == TAKING.keys() | NOT_TAKING
