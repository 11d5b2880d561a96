"""Handles: what call_soon, call_later and call_soon_threadsafe return."""

import asyncio
import contextvars
import sys
import weakref

import pytest


def run_one_turn(loop: asyncio.AbstractEventLoop) -> None:
    """Run what is ready now."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def noop():
    pass


SCHEDULE = pytest.mark.parametrize(
    "schedule",
    [
        lambda loop, *args, **kw: loop.call_soon(*args, **kw),
        lambda loop, *args, **kw: loop.call_soon_threadsafe(*args, **kw),
        lambda loop, *args, **kw: loop.call_later(0, *args, **kw),
        lambda loop, *args, **kw: loop.call_at(0, *args, **kw),
    ],
    ids=["call_soon", "call_soon_threadsafe", "call_later", "call_at"],
)


@SCHEDULE
def test_a_handle_is_an_asyncio_handle(loop, schedule):
    assert isinstance(schedule(loop, noop), asyncio.Handle)


@SCHEDULE
def test_a_handle_is_not_cancelled_until_it_is(loop, schedule):
    handle = schedule(loop, noop)
    assert handle.cancelled() is False

    handle.cancel()
    handle.cancel()

    assert handle.cancelled() is True


@SCHEDULE
def test_a_cancelled_handle_does_not_run(loop, schedule):
    seen = []
    schedule(loop, seen.append, "cancelled").cancel()
    schedule(loop, seen.append, "kept")

    run_one_turn(loop)
    run_one_turn(loop)

    assert seen == ["kept"]


@SCHEDULE
def test_a_cancelled_handle_releases_its_callback_and_arguments_at_once(loop, schedule):
    class Callback:
        def __call__(self, argument):
            raise AssertionError("a cancelled handle ran")

    callback, argument = Callback(), Callback()
    gone = weakref.ref(callback), weakref.ref(argument)
    handle = schedule(loop, callback, argument)
    del callback, argument
    assert None not in (gone[0](), gone[1]())

    handle.cancel()

    assert (gone[0](), gone[1]()) == (None, None)


@SCHEDULE
def test_a_handle_can_be_cancelled_by_a_callback_of_its_own_turn(loop, schedule):
    seen = []

    def cancel_the_second():
        second.cancel()

    schedule(loop, cancel_the_second)
    second = schedule(loop, seen.append, "cancelled")

    run_one_turn(loop)
    run_one_turn(loop)

    assert seen == []


@SCHEDULE
def test_a_handle_can_be_weakly_referenced(loop, schedule):
    handle = schedule(loop, noop)

    assert weakref.ref(handle)() is handle


@SCHEDULE
def test_a_handle_dropped_by_its_caller_still_runs(loop, schedule):
    seen = []
    schedule(loop, seen.append, "ran")

    run_one_turn(loop)
    run_one_turn(loop)

    assert seen == ["ran"]


@SCHEDULE
@pytest.mark.skipif(sys.version_info < (3, 12), reason="Handle.get_context is new in Python 3.12")
def test_get_context_returns_the_context_a_handle_was_given(loop, schedule):
    context = contextvars.copy_context()

    assert schedule(loop, noop, context=context).get_context() is context


@SCHEDULE
@pytest.mark.skipif(sys.version_info < (3, 12), reason="Handle.get_context is new in Python 3.12")
def test_get_context_returns_a_copy_of_the_callers_context_by_default(loop, schedule):
    variable = contextvars.ContextVar("variable")
    variable.set("caller")

    context = schedule(loop, noop).get_context()

    assert isinstance(context, contextvars.Context)
    assert context[variable] == "caller"


def test_the_repr_of_a_handle_names_its_callback_and_where_it_stands(loop):
    handle = loop.call_soon(noop)

    line = noop.__code__.co_firstlineno
    assert repr(handle) == f"<Handle noop() at {__file__}:{line}>"


def test_the_repr_of_a_handle_shows_the_arguments_in_debug_mode(loop):
    loop.set_debug(True)
    handle = loop.call_soon(noop, 1, "two")

    assert repr(handle).startswith("<Handle noop(1, 'two') at ")
    handle.cancel()


def test_the_repr_of_a_timer_handle_names_its_deadline_too(loop):
    handle = loop.call_at(12345.5, noop)

    line = noop.__code__.co_firstlineno
    assert repr(handle) == f"<TimerHandle when=12345.5 noop() at {__file__}:{line}>"
    handle.cancel()


def test_the_repr_of_a_cancelled_handle_says_so(loop):
    handle, timer = loop.call_soon(noop), loop.call_at(12345.5, noop)
    handle.cancel()
    timer.cancel()

    assert repr(handle) == "<Handle cancelled>"
    assert repr(timer) == "<TimerHandle cancelled when=12345.5>"


def test_the_repr_of_a_cancelled_handle_still_names_its_callback_in_debug_mode(loop):
    loop.set_debug(True)
    handle = loop.call_soon(noop)
    handle.cancel()

    line = noop.__code__.co_firstlineno
    assert repr(handle).startswith(f"<Handle cancelled noop() at {__file__}:{line} created at ")
