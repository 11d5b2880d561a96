"""Handle: lifetimes, cancelling in every state, and handles that nobody ought to make."""

import asyncio
import copy
import gc
import pickle
import sys
import weakref

import pytest

from tests.core.conftest import make_loop
from tests.support.leaks import needs_block_count
from tests.support.loops import Context, run_turns


class Callback:
    """A callable that weak references may point to; it counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *_args) -> None:
        self.calls += 1


class Argument:
    """Something that weak references may point to."""


SCHEDULE = pytest.mark.parametrize(
    "schedule",
    [
        lambda loop, *args: loop.call_soon(*args),
        lambda loop, *args: loop.call_soon_threadsafe(*args),
        lambda loop, *args: loop.call_later(0, *args),
    ],
    ids=["call_soon", "call_soon_threadsafe", "call_later"],
)
DEBUG = pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])

# How a handle ends: from the moment it is scheduled until its content must be gone.
ENDS = {
    "run": lambda loop, handle: run_turns(loop, 2),
    "cancelled": lambda loop, handle: handle.cancel(),
    "loop_closed": lambda loop, handle: loop.close(),
    "cancelled_after_close": lambda loop, handle: (loop.close(), handle.cancel()),
    "cancelled_after_run": lambda loop, handle: (run_turns(loop, 2), handle.cancel()),
}


@pytest.fixture
def no_collector():
    """Let nothing but reference counts free objects."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@SCHEDULE
@DEBUG
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_handle_that_has_ended_holds_nothing(no_collector, loop, schedule, debug, end):
    loop.set_debug(debug)
    callback, argument = Callback(), Argument()
    alive = [weakref.ref(callback), weakref.ref(argument)]
    handle = schedule(loop, callback, argument)
    del callback, argument

    end(loop, handle)

    assert [ref() for ref in alive] == [None, None]
    assert (handle._callback, handle._args, handle.get_context()) == (None, None, None)
    assert handle._loop is None


@SCHEDULE
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_loop_that_keeps_a_handle_that_has_ended_is_freed(schedule, end):
    loop = make_loop()
    loop.handle = schedule(loop, Callback())
    alive = weakref.ref(loop)
    end(loop, loop.handle)
    loop.close()

    del loop
    gc.collect()

    assert alive() is None


@SCHEDULE
@DEBUG
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_handle_that_has_ended_is_freed(no_collector, loop, schedule, debug, end):
    loop.set_debug(debug)
    handle = schedule(loop, Callback())
    alive = weakref.ref(handle)
    references = sys.getrefcount(handle)

    end(loop, handle)

    assert sys.getrefcount(handle) == references - 1  # that of the queue or the tree
    del handle
    assert alive() is None


@SCHEDULE
@DEBUG
def test_handle_cancelled_by_one_before_it_in_its_turn_is_freed(
    no_collector, loop, schedule, debug
):
    handles = []
    loop.set_debug(debug)
    schedule(loop, lambda: handles.pop().cancel())
    handles.append(schedule(loop, pytest.fail, Argument()))
    alive = weakref.ref(handles[0])

    run_turns(loop, 2)

    assert alive() is None


@SCHEDULE
@DEBUG
def test_handle_that_raises_holds_nothing_and_is_freed(
    no_collector, loop, schedule, debug, reports
):
    def fail(_argument):
        raise ValueError("as intended")

    loop.set_debug(debug)
    argument = Argument()
    handle = schedule(loop, fail, argument)
    alive = [weakref.ref(argument), weakref.ref(handle)]
    del argument, handle

    run_turns(loop, 2)
    (report,) = reports
    reports.clear()
    del report

    assert [ref() for ref in alive] == [None, None]


@SCHEDULE
@DEBUG
@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt])
def test_handle_that_ends_the_run_is_freed(no_collector, loop, schedule, debug, exception):
    def fail(_argument):
        raise exception

    loop.set_debug(debug)
    argument = Argument()
    handle = schedule(loop, fail, argument)
    alive = [weakref.ref(argument), weakref.ref(handle)]
    del argument, handle

    with pytest.raises(exception):
        loop.run_forever()

    assert [ref() for ref in alive] == [None, None]


@SCHEDULE
@DEBUG
def test_handle_cancelled_by_its_own_callback_finishes_it(no_collector, loop, schedule, debug):
    seen = []

    def callback(argument):
        handle.cancel()
        seen.append((argument, handle.cancelled()))

    loop.set_debug(debug)
    handle = schedule(loop, callback, "argument")

    run_turns(loop, 2)

    assert seen == [("argument", True)]


@SCHEDULE
def test_handle_run_by_hand_can_still_be_run_by_the_loop(loop, schedule):
    callback = Callback()
    handle = schedule(loop, callback)

    handle._run()
    run_turns(loop, 2)
    handle._run()  # it has run and holds nothing more

    assert callback.calls == 2


@SCHEDULE
def test_handle_run_by_hand_that_cancels_itself_and_raises_tells_its_caller(loop, schedule):
    def fail():
        handle.cancel()
        raise ValueError("as intended")

    handle = schedule(loop, fail)

    with pytest.raises(ValueError, match="as intended"):
        handle._run()

    run_turns(loop, 2)


@SCHEDULE
def test_callback_whose_end_cancels_other_handles_leaves_the_queues_intact(loop, schedule):
    survivor = Callback()

    class Cancelling(Callback):
        def __del__(self):
            for handle in others:
                handle.cancel()

    handle = schedule(loop, Cancelling())
    others = [schedule(loop, pytest.fail, "a cancelled handle ran") for _ in range(3)]
    others.append(handle)
    schedule(loop, survivor)

    handle.cancel()
    run_turns(loop, 2)

    assert survivor.calls == 1
    assert all(each.cancelled() for each in others)


@SCHEDULE
def test_callback_whose_end_schedules_another_is_heard(loop, schedule):
    late = Callback()

    class Scheduling(Callback):
        def __del__(self):
            schedule(loop, late)

    schedule(loop, Scheduling())

    run_turns(loop, 4)

    assert late.calls == 1


@SCHEDULE
def test_callback_whose_end_schedules_another_while_the_loop_closes_is_refused(loop, schedule):
    refused = []

    class Scheduling(Callback):
        def __del__(self):
            try:
                schedule(loop, print)
            except RuntimeError as exc:
                refused.append(str(exc))

    for _ in range(3):
        schedule(loop, Scheduling())

    loop.close()

    assert refused == ["Event loop is closed"] * 3


@SCHEDULE
def test_handles_cancelled_in_random_order_run_the_others_in_order(loop, schedule):
    seen = []
    handles = [schedule(loop, seen.append, number) for number in range(1000)]

    for number in range(999, -1, -3):
        handles[number].cancel()
    run_turns(loop, 2)

    assert seen == [number for number in range(1000) if number % 3]


@SCHEDULE
def test_handle_and_its_class_agree_with_asyncio(loop, schedule):
    handle = schedule(loop, print)

    assert isinstance(handle, asyncio.Handle)
    assert issubclass(handle.__class__, asyncio.Handle)
    assert isinstance(handle, asyncio.TimerHandle) is hasattr(handle, "when")


@SCHEDULE
def test_handle_takes_no_attributes_and_keeps_its_own(loop, schedule):
    handle = schedule(loop, print)

    for name in ("_callback", "_args", "_context", "_cancelled", "_loop", "new"):
        with pytest.raises(AttributeError):
            setattr(handle, name, None)


@SCHEDULE
def test_handle_cannot_be_constructed_or_copied(loop, schedule):
    handle = schedule(loop, print)
    use = [type(handle), handle.__init__, lambda: copy.copy(handle), lambda: pickle.dumps(handle)]

    for each in use:
        with pytest.raises(TypeError):
            each()


@SCHEDULE
def test_handle_made_by_hand_is_harmless(loop, schedule):
    kind = type(schedule(loop, print))

    handle, other = kind.__new__(kind), kind.__new__(kind)

    assert (handle._callback, handle._args, handle._loop, handle.get_context()) == (None,) * 4
    assert "Handle" in repr(handle)
    assert weakref.ref(handle)() is handle
    hash(handle)
    handle._run()
    handle.cancel()
    handle.cancel()
    assert handle.cancelled()
    assert handle != other


def test_timer_made_by_hand_is_harmless(loop):
    kind = type(loop.call_later(0, print))

    timer, other = kind.__new__(kind), kind.__new__(kind)

    assert (timer.when(), timer._scheduled) == (0.0, False)
    assert timer == other
    assert timer <= other
    timer.cancel()
    assert timer != other


@needs_block_count
def test_handles_come_and_go_without_growth(no_collector, loop):
    def schedule_all() -> None:
        for _ in range(1000):
            loop.call_soon(Callback(), Argument())
            loop.call_later(0, Callback(), Argument())
            loop.call_soon(Callback()).cancel()
            loop.call_later(1, Callback()).cancel()
        run_turns(loop, 2)

    for _ in range(3):  # until free lists and the heap have what they keep
        schedule_all()
    before = sys.getallocatedblocks()
    for _ in range(5):
        schedule_all()

    assert sys.getallocatedblocks() - before < 50


def test_report_of_failed_handle_names_callback_exception_and_handle(loop, reports):
    def fail():
        raise ValueError("as intended")

    handle = loop.call_soon(fail)
    run_turns(loop, 1)

    report: Context = reports.pop()
    assert report["message"].startswith("Exception in callback ")
    assert report["message"].endswith(f"test_handle.py:{fail.__code__.co_firstlineno}")
    assert str(report["exception"]) == "as intended"
    assert report["handle"] is handle
