"""In which order callbacks, I/O and timers run."""

import asyncio
import contextvars
import weakref

import pytest

from tests.support.loops import run_turns
from tests.support.sockets import unix_pair


def test_callbacks_run_in_the_order_they_were_added(loop):
    seen = []
    for number in range(100):
        loop.call_soon(seen.append, number)

    run_turns(loop, 1)

    assert seen == list(range(100))


def test_call_soon_passes_all_positional_arguments(loop):
    seen = []
    loop.call_soon(lambda *args: seen.append(args), 1, "two", None)

    run_turns(loop, 1)

    assert seen == [(1, "two", None)]


def test_call_soon_accepts_no_keyword_but_context(loop):
    with pytest.raises(TypeError):
        loop.call_soon(print, end="")


def test_call_soon_takes_its_context_by_any_string_of_that_name(loop):
    variable = contextvars.ContextVar("variable", default="outside")
    context = contextvars.copy_context()
    context.run(variable.set, "inside")
    seen = []
    name = "".join(["con", "text"])  # equal to the usual one, and another object
    loop.call_soon(lambda: seen.append(variable.get()), context=context)
    loop.call_soon(lambda: seen.append(variable.get()), **{name: context})
    loop.call_soon(lambda: seen.append(variable.get()), context=None)

    run_turns(loop, 1)

    assert seen == ["inside", "inside", "outside"]


def test_call_soon_takes_the_callback_by_its_name(loop):
    seen = []
    loop.call_soon(callback=lambda: seen.append(True), context=contextvars.copy_context())

    run_turns(loop, 1)

    assert seen == [True]


@pytest.mark.parametrize(
    "options",
    [{}, {"context": None}, {"contexts": None}, {"context": None, "name": None}],
    ids=["nothing", "only_context", "unknown", "two"],
)
def test_call_soon_refuses_wrong_arguments(loop, options):
    arguments = (print,) if "contexts" in options or len(options) == 2 else ()
    with pytest.raises(TypeError):
        loop.call_soon(*arguments, **options)


def test_a_callback_added_by_a_callback_runs_one_turn_later(loop):
    seen = []

    def first():
        seen.append("first")
        loop.call_soon(seen.append, "second")

    loop.call_soon(first)
    run_turns(loop, 1)
    assert seen == ["first"]

    run_turns(loop, 1)
    assert seen == ["first", "second"]


def test_io_is_polled_between_a_callback_and_the_callback_it_adds(loop):
    seen = []
    with unix_pair() as (ours, peer):
        peer.send(b"x")
        loop.add_reader(ours, lambda: (seen.append("io"), loop.remove_reader(ours)))
        loop.call_soon(lambda: (seen.append("soon"), loop.call_soon(seen.append, "later")))
        run_turns(loop, 5)

    assert seen == ["soon", "io", "later"]


def test_what_was_ready_before_the_poll_runs_before_the_io_it_finds(loop):
    seen = []
    with unix_pair() as (ours, peer):
        peer.send(b"x")
        loop.add_reader(ours, lambda: (seen.append("io"), loop.remove_reader(ours)))
        loop.call_soon(seen.append, "soon 1")
        loop.call_soon(seen.append, "soon 2")
        run_turns(loop, 5)

    assert seen == ["soon 1", "soon 2", "io"]


def test_a_due_timer_runs_after_what_is_ready(loop):
    seen = []
    loop.call_later(0, seen.append, "timer")
    loop.call_soon(seen.append, "soon")

    run_turns(loop, 5)

    assert seen == ["soon", "timer"]


def test_a_due_timer_runs_after_the_io_of_the_same_turn(loop):
    seen = []
    with unix_pair() as (ours, peer):
        peer.send(b"x")
        loop.call_later(-1, seen.append, "timer")
        loop.add_reader(ours, lambda: (seen.append("io"), loop.remove_reader(ours)))
        run_turns(loop, 5)

    assert seen == ["io", "timer"]


async def test_sleep_zero_gives_every_other_task_one_step():
    seen = []

    async def count(name):
        for number in range(3):
            seen.append(f"{name}{number}")
            await asyncio.sleep(0)

    await asyncio.gather(count("a"), count("b"), count("c"))

    assert seen == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]


async def test_sleep_zero_lets_io_happen():
    loop = asyncio.get_running_loop()
    seen = []
    with unix_pair() as (ours, peer):
        loop.add_reader(ours, lambda: seen.append(ours.recv(1)))
        peer.send(b"x")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        loop.remove_reader(ours)

    assert seen == [b"x"]


async def test_a_future_wakes_its_waiters_in_the_order_they_came():
    future = asyncio.get_running_loop().create_future()
    seen = []

    async def wait(number):
        await future
        seen.append(number)

    tasks = [asyncio.ensure_future(wait(number)) for number in range(10)]
    await asyncio.sleep(0)
    future.set_result(None)
    await asyncio.gather(*tasks)

    assert seen == list(range(10))


def test_a_callback_that_raises_does_not_keep_the_others_of_its_turn_from_running(loop, reports):
    seen = []
    loop.call_soon(seen.append, 1)
    loop.call_soon(lambda: 1 / 0)
    loop.call_soon(seen.append, 2)

    run_turns(loop, 1)

    assert seen == [1, 2]
    assert isinstance(reports.pop()["exception"], ZeroDivisionError)


def test_a_callback_that_adds_itself_again_does_not_starve_io(loop):
    seen = []

    def spin():
        if not seen:
            loop.call_soon(spin)

    with unix_pair() as (ours, peer):
        loop.add_reader(ours, lambda: (seen.append(ours.recv(1)), loop.stop()))
        loop.call_soon(spin)
        peer.send(b"x")
        loop.run_forever()
        loop.remove_reader(ours)

    assert seen == [b"x"]


def test_a_timer_that_starts_itself_again_at_once_does_not_starve_io(loop):
    seen = []

    def spin():
        if not seen:
            loop.call_later(0, spin)

    with unix_pair() as (ours, peer):
        loop.add_reader(ours, lambda: (seen.append(ours.recv(1)), loop.stop()))
        loop.call_later(0, spin)
        peer.send(b"x")
        loop.run_forever()
        loop.remove_reader(ours)

    assert seen == [b"x"]


def test_call_soon_runs_the_callback_in_the_given_context(loop):
    variable = contextvars.ContextVar("variable", default="outside")
    context = contextvars.copy_context()
    context.run(variable.set, "inside")
    seen = []
    loop.call_soon(lambda: seen.append(variable.get()), context=context)
    loop.call_soon(lambda: seen.append(variable.get()))

    run_turns(loop, 1)

    assert seen == ["inside", "outside"]


def test_a_loop_is_hashable_and_can_be_weakly_referenced(loop):
    assert {loop: "value"}[loop] == "value"
    assert weakref.ref(loop)() is loop
    assert weakref.WeakKeyDictionary({loop: 1})[loop] == 1


def test_arguments_of_a_callback_are_released_once_it_has_run(loop):
    class Argument:
        pass

    argument = Argument()
    gone = weakref.ref(argument)
    loop.call_soon(id, argument)
    del argument

    run_turns(loop, 2)

    assert gone() is None
