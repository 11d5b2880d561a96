"""Free lists: a burst's memory serves the next burst, and is given back when bursts have ended."""

import itertools
import sys
import time

import pytest

from tests.probes.freelist import trim
from tests.support.leaks import needs_block_count

pytestmark = needs_block_count

# More than the tests before have left in the lists, less than one trim gives back.
BURST = 5000
NOISE = 1000  # the interpreter has free lists as well, of contexts among others
KEPT_MAX = 262_144  # limits.pxd: KEPT_HANDLE_COUNT_MAX
TRIM_MAX = 8192  # limits.pxd: TRIM_COUNT

SCHEDULE = pytest.mark.parametrize(
    "schedule",
    [
        lambda loop: loop.call_soon(int),
        lambda loop: loop.call_soon_threadsafe(int),
    ],
    ids=["call_soon", "call_soon_threadsafe"],
)

# One second after the other, long before now: no trim of a loop comes between.
SECONDS = itertools.count(time.monotonic_ns() - 3600 * 10**9, 10**9)


@pytest.fixture(autouse=True)
def empty_lists():
    """Give back what the tests before have left, and take the clock to now again at the end."""
    for _ in range(2 + KEPT_MAX // TRIM_MAX):
        trim(next(SECONDS))
    yield
    trim(time.monotonic_ns())


def burst(loop, schedule, count: int = BURST) -> None:
    for _ in range(count):
        schedule(loop)
    loop.call_later(0.0, loop.stop)
    loop.run_forever()


def blocks_of_burst(loop, schedule, count: int = BURST) -> int:
    """Return how many blocks of memory are taken after a burst that were free before."""
    before = sys.getallocatedblocks()
    burst(loop, schedule, count)
    return sys.getallocatedblocks() - before


@SCHEDULE
def test_memory_of_a_burst_is_kept_for_the_next(loop, schedule):
    assert abs(blocks_of_burst(loop, schedule) - BURST) < NOISE
    assert blocks_of_burst(loop, schedule) < NOISE


@SCHEDULE
def test_memory_that_was_not_needed_is_given_back(loop, schedule):
    trim(next(SECONDS))
    before = sys.getallocatedblocks()
    burst(loop, schedule)

    trim(next(SECONDS))
    assert sys.getallocatedblocks() - before > BURST - NOISE  # the burst was just now

    trim(next(SECONDS))
    assert sys.getallocatedblocks() - before < NOISE


def test_memory_that_bursts_still_need_stays(loop):
    burst(loop, lambda loop: loop.call_soon(int))
    trim(next(SECONDS))
    burst(loop, lambda loop: loop.call_soon(int), BURST // 2)
    before = sys.getallocatedblocks()

    trim(next(SECONDS))

    assert abs(before - sys.getallocatedblocks() - BURST // 2) < NOISE


def test_memory_goes_only_once_a_second(loop):
    burst(loop, lambda loop: loop.call_soon(int))
    now_ns = next(SECONDS)
    trim(now_ns)
    before = sys.getallocatedblocks()

    trim(now_ns + 999_999_999)

    assert before - sys.getallocatedblocks() < NOISE


def test_memory_beyond_the_limit_is_not_kept(loop):
    kept = blocks_of_burst(loop, lambda loop: loop.call_soon(int), KEPT_MAX + 2 * BURST)

    assert abs(kept - KEPT_MAX) < NOISE


def test_memory_of_many_timers_is_not_kept(loop):
    assert blocks_of_burst(loop, lambda loop: loop.call_later(0, int)) < NOISE


def test_a_loop_that_sleeps_trims(loop):
    burst(loop, lambda loop: loop.call_soon(int))
    trim(next(SECONDS))
    before = sys.getallocatedblocks()

    loop.call_later(0.001, loop.stop)
    loop.run_forever()

    assert before - sys.getallocatedblocks() > BURST - NOISE


@pytest.mark.parametrize(
    "schedule",
    [lambda loop: loop.call_soon(int), lambda loop: loop.call_later(0, int)],
    ids=["call_soon", "call_later"],
)
def test_kept_memory_is_as_new(loop, schedule):
    handle = schedule(loop)
    handle.cancel()
    del handle

    fresh = schedule(loop)

    assert not fresh.cancelled()
    assert fresh._callback is int
    assert fresh._args == ()
    assert fresh._source_traceback is None
