"""_scheduled of a loop: packages that turn it by themselves work on it as on a heap."""

import asyncio
import heapq
import operator

import pytest

from tests.support.loops import run_turns
from tests.support.turning import turn_by_parts


def test_the_timers_show_what_waits(loop):
    timers = [loop.call_later(10 + number % 3, print) for number in range(6)]
    cancelled = loop.call_later(1, print)
    cancelled.cancel()

    shown = [timer for timer in loop._scheduled if not timer._cancelled]
    assert sorted(map(id, shown)) == sorted(map(id, timers))
    heap = [timer for timer in loop._scheduled if timer is not cancelled]
    assert min(heap).when() == timers[0].when()
    loop._scheduled.clear()
    assert not loop._scheduled
    assert len(loop._scheduled) == 0


def test_a_timer_that_was_popped_does_not_fire(loop):
    seen = []
    loop.call_later(0, seen.append, "popped")
    loop.call_later(0.001, loop.stop)
    popped = heapq.heappop(loop._scheduled)
    assert len(loop._scheduled) == 1
    loop.run_forever()
    assert seen == []

    popped._run()
    assert seen == ["popped"]


def test_timers_may_be_filtered(loop):
    seen = []
    for number in range(6):
        loop.call_later(0, seen.append, number)
    loop._scheduled = [timer for timer in loop._scheduled if timer._args[0] % 2]
    loop.call_later(0.001, loop.stop)

    loop.run_forever()

    assert seen == [1, 3, 5]


def timer_of_the_program(loop, delay, callback, *args):
    """Return a timer that waits nowhere yet."""
    return asyncio.TimerHandle(loop.time() + delay, callback, args, loop)


def append_and_heapify(heap, timer):
    heap.append(timer)
    heapq.heapify(heap)


def extend_and_heapify(heap, timer):
    heap.extend([timer])
    heapq.heapify(heap)


def add_and_heapify(heap, timer):
    heap += [timer]
    heapq.heapify(heap)


def insert_and_heapify(heap, timer):
    heap.insert(0, timer)
    heapq.heapify(heap)


def replace_slice(heap, timer):
    heap[:] = sorted([*heap, timer])


@pytest.fixture(
    params=[
        heapq.heappush,
        append_and_heapify,
        extend_and_heapify,
        add_and_heapify,
        insert_and_heapify,
        replace_slice,
    ]
)
def put(request):
    """Give a function that puts a timer into the heap."""
    return request.param


@pytest.fixture(params=[run_turns, lambda loop, count: turn_by_parts(loop)], ids=["turn", "parts"])
def run_turn(request):
    """Give a function that runs a turn of a loop: by itself, or made of parts."""
    return lambda loop: request.param(loop, 1)


def test_a_timer_of_the_program_that_is_put_in_fires(loop, put, run_turn):
    seen = []
    put(loop._scheduled, timer_of_the_program(loop, 0.001, seen.append, "fired"))

    while not seen:
        run_turn(loop)

    assert seen == ["fired"]
    assert not loop._scheduled


def test_a_timer_that_was_popped_and_put_in_again_fires_once(loop, put, run_turn):
    seen = []
    loop.call_later(0.001, seen.append, "fired")
    loop.call_later(0.002, seen.append, "last")
    timer = heapq.heappop(loop._scheduled)
    assert len(loop._scheduled) == 1
    put(loop._scheduled, timer)

    while "last" not in seen:
        run_turn(loop)

    assert seen == ["fired", "last"]


def test_timers_that_were_put_in_fire_in_the_order_of_their_deadlines(loop, put, run_turn):
    seen = []
    now = loop.time()
    for delay in (0.003, 0.001, 0.005):
        loop.call_at(now + delay, seen.append, delay)
    for delay in (0.004, 0.002, 0.0):
        timer = asyncio.TimerHandle(now + delay, seen.append, (delay,), loop)
        put(loop._scheduled, timer)

    while len(seen) < 6:
        run_turn(loop)

    assert seen == [0.0, 0.001, 0.002, 0.003, 0.004, 0.005]


def test_several_may_be_pushed_and_popped_without_a_question_in_between(loop, run_turn):
    seen = []
    now = loop.time()
    loop.call_at(now + 0.002, seen.append, "second")
    loop.call_at(now + 0.003, seen.append, "third")
    heap = loop._scheduled
    for delay, name in ((0.004, "fourth"), (0, "popped"), (0.001, "first")):
        heapq.heappush(heap, asyncio.TimerHandle(now + delay, seen.append, (name,), loop))
    popped = heapq.heappop(heap)

    while len(seen) < 4:
        run_turn(loop)

    assert popped._args == ("popped",)
    assert seen == ["first", "second", "third", "fourth"]


@pytest.mark.parametrize("replace", [heapq.heapreplace, heapq.heappushpop])
def test_a_timer_that_was_replaced_does_not_fire(loop, replace, run_turn):
    seen = []
    loop.call_later(0, seen.append, "replaced")
    timer = timer_of_the_program(loop, 0.001, seen.append, "new")
    assert replace(loop._scheduled, timer)._args == ("replaced",)

    while not seen:
        run_turn(loop)

    assert seen == ["new"]


def test_a_timer_of_the_program_that_is_cancelled_does_not_fire(loop, put, run_turn):
    seen = []
    timer = timer_of_the_program(loop, 0, seen.append, "cancelled")
    put(loop._scheduled, timer)
    timer._scheduled = True  # as call_at() does
    timer.cancel()
    loop.call_later(0.001, seen.append, "last")

    while not seen:
        run_turn(loop)

    assert seen == ["last"]


def test_a_timer_that_a_callback_puts_in_ends_the_loop_s_wait_in_time(loop, put):
    """Nothing else asks for the timers."""

    def push():
        put(loop._scheduled, timer_of_the_program(loop, 0.001, loop.stop))

    loop.call_soon(push)
    loop.run_forever()  # returns: the test would time out

    assert not loop._scheduled


def test_the_heap_is_kept_over_turns(loop):
    seen = []
    heap = loop._scheduled
    for number in range(3):
        heapq.heappush(heap, timer_of_the_program(loop, 0, seen.append, number))
        while len(seen) <= number:
            turn_by_parts(loop)

    assert seen == [0, 1, 2]
    assert len(heap) == 0


def test_a_timer_of_the_program_is_shown_and_taken_out_itself(loop):
    timers = [timer_of_the_program(loop, 10 + number, print) for number in range(4)]
    for timer in timers:
        heapq.heappush(loop._scheduled, timer)

    assert list(map(id, sorted(loop._scheduled))) == list(map(id, timers))
    assert timers[3] in loop._scheduled
    loop._scheduled.remove(timers[3])
    assert heapq.heappop(loop._scheduled) is timers[0]
    assert loop._scheduled.pop() is timers[2]
    del loop._scheduled[:]
    assert not loop._scheduled


def test_timers_may_be_filtered_in_place(loop):
    seen = []
    for number in range(4):
        loop.call_later(0, seen.append, number)
    for number in range(4, 8):
        heapq.heappush(loop._scheduled, timer_of_the_program(loop, 0.001, seen.append, number))
    loop._scheduled[:] = sorted(timer for timer in loop._scheduled if timer._args[0] % 2)
    loop.call_later(0.01, loop.stop)

    loop.run_forever()

    assert seen == [1, 3, 5, 7]


def test_the_heap_answers_as_a_list_does(loop):
    timer = loop.call_later(10, print)
    heap = loop._scheduled

    assert heap == [timer]
    assert [timer] == heap
    assert heap != []
    assert (heap.index(timer), heap.count(timer)) == (0, 1)
    assert operator.add(heap, [1]) == [timer, 1]
    assert operator.add([1], heap) == [1, timer]
    assert heap * 2 == [timer, timer]
    assert heap.copy() == [timer]
    assert list(reversed(heap)) == [timer]
    heap.clear()
    assert heap == []
    with pytest.raises(IndexError):
        heap.pop()


@pytest.mark.parametrize("thing", [object(), None, 1.5])
def test_what_is_no_timer_is_refused(loop, thing):
    heapq.heappush(loop._scheduled, thing)

    with pytest.raises((AttributeError, TypeError)):
        loop.run_forever()

    loop._scheduled.clear()
