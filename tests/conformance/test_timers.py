"""call_later, call_at and time."""

import asyncio
import contextvars
import math
import random
import time
import weakref

import pytest

from tests.support.loops import is_stdlib


def run_until(loop: asyncio.AbstractEventLoop, delay: float) -> None:
    """Run the loop until a timer of `delay` seconds has fired."""
    loop.call_later(delay, loop.stop)
    loop.run_forever()


@pytest.mark.parametrize("delay", [3600, 0.0005, 0, -1])
def test_call_later_always_returns_a_timer_handle(loop, delay):
    handle = loop.call_later(delay, print)

    assert isinstance(handle, asyncio.TimerHandle)
    assert isinstance(handle, asyncio.Handle)
    handle.cancel()


def test_call_later_is_due_the_delay_after_now(loop):
    before = loop.time()
    handle = loop.call_later(5, print)
    after = loop.time()

    assert before + 5 <= handle.when() <= after + 5
    handle.cancel()


@pytest.mark.parametrize("when", [5, 1e9 + 0.123456789, -2.5])
def test_when_is_what_call_at_was_given(loop, when):
    handle = loop.call_at(when, print)

    assert handle.when() == when
    handle.cancel()


def test_call_later_refuses_none(loop):
    with pytest.raises(TypeError, match=r"^delay must not be None$"):
        loop.call_later(None, print)


def test_call_at_refuses_none(loop):
    with pytest.raises(TypeError, match=r"^when cannot be None$"):
        loop.call_at(None, print)


def test_time_is_the_monotonic_clock(loop):
    before = time.monotonic()
    now = loop.time()
    after = time.monotonic()

    assert before <= now <= after


def test_time_has_the_resolution_of_the_monotonic_clock(loop):
    seen = {loop.time() for _ in range(2000)}

    assert len(seen) > 1000  # a clock of milliseconds shows one or two values


def test_timers_run_in_the_order_of_their_deadlines(loop):
    seen = []
    start = loop.time()
    numbers = list(range(200))
    random.Random(7).shuffle(numbers)
    for number in numbers:
        loop.call_at(start + number * 1e-5, seen.append, number)

    run_until(loop, 0.003)

    assert seen == list(range(200))


def test_timers_overdue_by_more_run_first(loop):
    seen = []
    loop.call_later(-1, seen.append, "one second ago")
    loop.call_later(-2, seen.append, "two seconds ago")

    run_until(loop, 0)

    assert seen == ["two seconds ago", "one second ago"]


def test_timers_with_the_same_deadline_run_in_the_order_they_were_added(loop):
    if is_stdlib(loop):
        pytest.skip("asyncio's heap leaves the order of equal deadlines open")
    seen = []
    when = loop.time()
    for number in range(100):
        loop.call_at(when, seen.append, number)

    run_until(loop, 0)

    assert seen == list(range(100))


def test_a_timer_is_never_early(loop):
    resolution = time.get_clock_info("monotonic").resolution
    late_by = []
    start = loop.time()
    for number in range(200):
        when = start + number * 0.00013
        loop.call_at(when, lambda when=when: late_by.append(loop.time() - when))

    run_until(loop, 0.03)

    assert len(late_by) == 200
    assert min(late_by) >= -resolution


async def test_sleep_takes_at_least_its_time():
    for delay in (0.0001, 0.0007, 0.0013, 0.01):
        start = time.monotonic()
        await asyncio.sleep(delay)
        assert time.monotonic() - start >= delay - 1e-9


def test_a_cancelled_timer_does_not_run(loop):
    seen = []
    handle = loop.call_later(0, seen.append, "cancelled")
    handle.cancel()
    handle.cancel()

    run_until(loop, 0.001)

    assert handle.cancelled()
    assert seen == []


def test_a_due_timer_can_be_cancelled_by_one_that_runs_before_it(loop):
    seen = []
    now = loop.time()
    second = loop.call_at(now - 1, seen.append, "second")
    loop.call_at(now - 2, second.cancel)

    run_until(loop, 0.001)

    assert seen == []


def test_a_timer_can_be_cancelled_after_it_has_run(loop):
    seen = []
    handle = loop.call_later(0, seen.append, 1)
    run_until(loop, 0.001)

    handle.cancel()
    run_until(loop, 0.001)

    assert seen == [1]


def test_a_cancelled_timer_releases_its_callback_and_arguments_at_once(loop):
    class Argument:
        pass

    argument = Argument()
    gone = weakref.ref(argument)
    handle = loop.call_later(3600, print, argument)
    del argument
    assert gone() is not None

    handle.cancel()

    assert gone() is None


def test_cancelling_most_of_many_timers_keeps_the_others(loop):
    seen = []
    start = loop.time()
    handles = [loop.call_at(start + n * 1e-6, seen.append, n) for n in range(3000)]
    random.Random(3).shuffle(handles)
    kept = sorted(handle.when() for handle in handles[2500:])
    for handle in handles[:2500]:
        handle.cancel()

    run_until(loop, 0.01)

    assert [start + n * 1e-6 for n in seen] == kept


def test_timers_are_ordered_by_deadline(loop):
    early, late = loop.call_at(1e9, print), loop.call_at(2e9, print)

    assert early < late
    assert early <= late
    assert late > early
    assert late >= early
    assert sorted([late, early]) == [early, late]
    for handle in (early, late):
        handle.cancel()


def test_timers_are_equal_with_the_same_deadline_callback_and_arguments(loop):
    one, same, other = (
        loop.call_at(1e9, print, argument) for argument in ("same", "same", "other")
    )

    assert one == same
    assert one != other
    assert one != "something else"
    assert hash(one) == hash(same)
    for handle in (one, same, other):
        handle.cancel()


@pytest.mark.parametrize("delay", [1e9, 1e18, math.inf], ids=str)
def test_a_timer_may_lie_in_the_far_future(loop, delay):
    handle = loop.call_later(delay, print)

    assert loop.run_until_complete(asyncio.sleep(0.001, "still runs")) == "still runs"
    assert handle.when() >= delay
    handle.cancel()


def test_timers_follow_a_clock_that_is_patched_into_the_loop(loop):
    now = 1000.0
    seen = []
    loop.time = lambda: now
    handle = loop.call_later(3600, lambda: (seen.append("due"), loop.stop()))

    def advance():
        nonlocal now
        seen.append("advance")
        now += 3600

    loop.call_soon(advance)
    assert handle.when() == 4600.0
    loop.run_forever()

    assert seen == ["advance", "due"]


def test_timers_follow_a_clock_that_a_subclass_overrides(loop):
    seen = []

    class ClockedLoop(type(loop)):
        now = 0.0

        def time(self):
            return self.now

    clocked = ClockedLoop()

    def advance():
        clocked.now += 7200

    first = clocked.call_later(3600, seen.append, "first")
    clocked.call_later(7200, lambda: (seen.append("second"), clocked.stop()))
    clocked.call_soon(advance)
    assert first.when() == 3600
    clocked.run_forever()
    clocked.close()

    assert seen == ["first", "second"]


def test_a_timer_runs_in_the_given_context(loop):
    variable = contextvars.ContextVar("variable", default="outside")
    context = contextvars.copy_context()
    context.run(variable.set, "inside")
    seen = []
    loop.call_later(0, lambda: seen.append(variable.get()), context=context)
    loop.call_at(loop.time(), lambda: seen.append(variable.get()), context=context)
    loop.call_later(0, lambda: seen.append(variable.get()))

    run_until(loop, 0.001)

    assert sorted(seen) == ["inside", "inside", "outside"]


async def test_wait_for_cancels_what_takes_too_long():
    future = asyncio.get_running_loop().create_future()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(future, 0.001)

    assert future.cancelled()


async def test_timeout_interrupts_its_block():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001) as timeout:
            await asyncio.get_running_loop().create_future()

    assert timeout.expired()


async def test_timeout_can_be_moved():
    loop = asyncio.get_running_loop()

    async with asyncio.timeout(0.001) as timeout:
        timeout.reschedule(loop.time() + 3600)
        await asyncio.sleep(0.005)

    assert not timeout.expired()
