"""Debug mode: the checks and logs it adds, and what is left out without it."""

import asyncio
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

WRONG_THREAD = "^Non-thread-safe operation invoked on an event loop other than the current one$"

SCHEDULE = pytest.mark.parametrize(
    ("schedule", "name"),
    [
        (lambda loop, callback: loop.call_soon(callback), "call_soon"),
        (
            lambda loop, callback: loop.call_later(3600, callback),
            "call_(later|at)",
        ),  # asyncio's call_later is checked by its call_at
        (lambda loop, callback: loop.call_at(1e9, callback), "call_at"),
    ],
    ids=["call_soon", "call_later", "call_at"],
)


def run_one_turn(loop: asyncio.AbstractEventLoop) -> None:
    """Run what is ready now."""
    loop.call_soon(loop.stop)
    loop.run_forever()


def raised_in_thread(function) -> BaseException | None:
    """Call `function` in another thread and return what it raised."""
    raised = []

    def target():
        try:
            function()
        except BaseException as exc:  # handed to the caller
            raised.append(exc)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    return raised[0] if raised else None


def test_debug_is_off_by_default(loop):
    assert loop.get_debug() is False


def test_set_debug_switches_it(loop):
    loop.set_debug(True)
    assert loop.get_debug() is True
    loop.set_debug(False)
    assert loop.get_debug() is False


@pytest.mark.parametrize(
    ("options", "variable", "expected"),
    [([], "1", "True"), (["-X", "dev"], "", "True"), ([], "", "False")],
    ids=["PYTHONASYNCIODEBUG", "-X dev", "neither"],
)
def test_the_interpreter_can_switch_debug_on(loop_factory, options, variable, expected):
    program = (
        "from tests.support.loops import LOOPS\n"
        f"loop = LOOPS[{loop_factory.name!r}]()\n"
        "print(loop.get_debug())\n"
        "loop.close()\n"
    )
    result = subprocess.run(
        [sys.executable, *options, "-c", program],
        env=os.environ | {"PYTHONASYNCIODEBUG": variable},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert result.stdout.strip() == expected


@SCHEDULE
def test_scheduling_from_another_thread_is_refused_in_debug_mode(loop, schedule, name):
    loop.set_debug(True)

    async def main():
        await loop.run_in_executor(None, schedule, loop, print)

    with pytest.raises(RuntimeError, match=WRONG_THREAD):
        loop.run_until_complete(main())


def test_scheduling_from_another_thread_is_not_checked_without_debug_mode(loop):
    async def main():
        await loop.run_in_executor(None, loop.call_soon, print, "")

    loop.run_until_complete(main())


def test_scheduling_threadsafe_from_another_thread_is_fine_in_debug_mode(loop):
    loop.set_debug(True)

    async def main():
        await loop.run_in_executor(None, loop.call_soon_threadsafe, int)

    loop.run_until_complete(main())


def test_scheduling_on_a_loop_that_does_not_run_is_fine_in_debug_mode(loop):
    loop.set_debug(True)

    assert raised_in_thread(lambda: loop.call_soon(int)) is None


@SCHEDULE
def test_scheduling_a_coroutine_function_is_refused_in_debug_mode(loop, schedule, name):
    loop.set_debug(True)

    async def coroutine_function():
        raise AssertionError("not reached")

    with pytest.raises(TypeError, match=rf"^coroutines cannot be used with {name}\(\)$"):
        schedule(loop, coroutine_function)


@SCHEDULE
def test_scheduling_a_coroutine_is_refused_in_debug_mode(loop, schedule, name):
    loop.set_debug(True)
    coroutine = asyncio.sleep(0)

    with pytest.raises(TypeError, match=rf"^coroutines cannot be used with {name}\(\)$"):
        schedule(loop, coroutine)
    coroutine.close()


@SCHEDULE
def test_scheduling_what_cannot_be_called_is_refused_in_debug_mode(loop, schedule, name):
    loop.set_debug(True)

    message = rf"^a callable object was expected by {name}\(\), got 42$"
    with pytest.raises(TypeError, match=message):
        schedule(loop, 42)


def test_run_in_executor_refuses_a_coroutine_function_in_debug_mode(loop):
    loop.set_debug(True)

    async def coroutine_function():
        raise AssertionError("not reached")

    with pytest.raises(TypeError, match=r"^coroutines cannot be used with run_in_executor\(\)$"):
        loop.run_in_executor(None, coroutine_function)


def test_a_slow_callback_is_logged_in_debug_mode(loop, caplog):
    loop.set_debug(True)
    loop.slow_callback_duration = 0

    def slow_callback():
        pass

    loop.call_soon(slow_callback)
    with caplog.at_level(logging.WARNING, "asyncio"):
        run_one_turn(loop)

    messages = [record.getMessage() for record in caplog.records]
    assert any(
        message.startswith("Executing <Handle ") and "slow_callback" in message
        for message in messages
    )
    assert all(message.endswith(" seconds") for message in messages)


def test_a_slow_step_of_a_task_is_logged_with_the_task(loop, caplog):
    loop.set_debug(True)
    loop.slow_callback_duration = 0

    async def slow_coroutine():
        pass

    with caplog.at_level(logging.WARNING, "asyncio"):
        loop.run_until_complete(slow_coroutine())

    messages = [record.getMessage() for record in caplog.records]
    assert any(m.startswith("Executing <Task ") and "slow_coroutine" in m for m in messages)


def test_a_callback_faster_than_slow_callback_duration_is_not_logged(loop, caplog):
    loop.set_debug(True)
    loop.slow_callback_duration = 3600
    loop.call_soon(int)

    with caplog.at_level(logging.WARNING, "asyncio"):
        run_one_turn(loop)

    assert not caplog.records


def test_no_callback_is_logged_as_slow_without_debug_mode(loop, caplog):
    loop.slow_callback_duration = 0
    loop.call_soon(int)

    with caplog.at_level(logging.WARNING, "asyncio"):
        run_one_turn(loop)

    assert not caplog.records


def test_slow_callback_duration_is_a_tenth_of_a_second_by_default(loop):
    assert loop.slow_callback_duration == 0.1


def test_the_origin_of_coroutines_is_tracked_only_while_a_debugging_loop_runs(loop):
    loop.set_debug(True)

    async def main():
        return sys.get_coroutine_origin_tracking_depth()

    assert loop.run_until_complete(main()) == asyncio.constants.DEBUG_STACK_DEPTH
    assert sys.get_coroutine_origin_tracking_depth() == 0


def test_the_origin_of_coroutines_is_tracked_as_soon_as_a_running_loop_debugs(loop):
    async def main():
        depths = []
        for debug in (True, False):
            loop.set_debug(debug)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            depths.append(sys.get_coroutine_origin_tracking_depth())
        return depths

    assert loop.run_until_complete(main()) == [asyncio.constants.DEBUG_STACK_DEPTH, 0]


def test_a_handle_knows_where_it_was_created_in_debug_mode(loop):
    loop.set_debug(True)

    handle = loop.call_soon(int)

    assert handle._source_traceback[-1].filename == __file__
    assert f" created at {__file__}:" in repr(handle)


def test_reports_tell_where_the_handle_was_created_in_debug_mode(loop, reports):
    loop.set_debug(True)
    loop.call_soon(lambda: 1 / 0)

    run_one_turn(loop)

    assert reports.pop()["source_traceback"][-1].filename == __file__


def test_callbacks_run_in_order_in_debug_mode_too(loop):
    loop.set_debug(True)
    seen = []
    loop.call_later(0, seen.append, "timer")
    loop.call_soon(seen.append, "soon")
    loop.call_soon_threadsafe(seen.append, "threadsafe")

    run_one_turn(loop)
    run_one_turn(loop)

    assert seen == ["soon", "threadsafe", "timer"]
