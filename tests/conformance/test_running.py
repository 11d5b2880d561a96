"""run_forever, run_until_complete, stop and close."""

import asyncio
import contextlib
import gc
import sys

import pytest

from tests.support.loops import is_stdlib


def test_stop_lets_the_callbacks_of_the_turn_finish(loop):
    seen = []
    loop.call_soon(loop.stop)
    loop.call_soon(seen.append, "same turn")

    loop.run_forever()

    assert seen == ["same turn"]


def test_stop_leaves_callbacks_that_its_turn_adds_for_the_next_run(loop):
    seen = []
    loop.call_soon(lambda: loop.call_soon(seen.append, "next run"))
    loop.call_soon(loop.stop)

    loop.run_forever()
    assert seen == []

    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == ["next run"]


def test_stop_before_run_forever_makes_it_run_exactly_one_turn(loop):
    seen = []
    loop.call_soon(lambda: (seen.append(1), loop.call_soon(seen.append, 2)))
    loop.stop()

    loop.run_forever()

    assert seen == [1]


def test_run_forever_can_be_called_again_after_stop(loop):
    for _ in range(3):
        loop.call_soon(loop.stop)
        loop.run_forever()

    assert loop.run_until_complete(asyncio.sleep(0, "result")) == "result"


def test_stop_is_over_when_the_run_is_and_can_be_taken_back(loop):
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert loop._stopping is False

    loop.stop()
    assert loop._stopping is True
    loop._stopping = False
    assert loop.run_until_complete(asyncio.sleep(0.001, "result")) == "result"


def test_run_until_complete_returns_the_result_of_a_coroutine(loop):
    assert loop.run_until_complete(asyncio.sleep(0, "result")) == "result"


def test_run_until_complete_returns_the_result_of_a_future(loop):
    future = loop.create_future()
    loop.call_soon(future.set_result, "result")

    assert loop.run_until_complete(future) == "result"


def test_run_until_complete_returns_the_result_of_a_future_already_done(loop):
    future = loop.create_future()
    future.set_result("result")

    assert loop.run_until_complete(future) == "result"


def test_run_until_complete_raises_what_the_coroutine_raises(loop):
    async def main():
        raise LookupError("from main")

    with pytest.raises(LookupError, match="from main"):
        loop.run_until_complete(main())


def test_run_until_complete_rejects_what_cannot_be_awaited(loop):
    with pytest.raises(TypeError):
        loop.run_until_complete(42)


def test_run_until_complete_rejects_a_future_of_another_loop(loop, loop_factory):
    with contextlib.closing(loop_factory()) as other, pytest.raises(ValueError, match="loop"):
        loop.run_until_complete(other.create_future())


def test_run_until_complete_reports_a_loop_stopped_too_early(loop):
    async def main():
        loop.stop()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    task = loop.create_task(main())
    with pytest.raises(RuntimeError, match=r"^Event loop stopped before Future completed\.$"):
        loop.run_until_complete(task)

    loop.run_until_complete(task)


def test_run_until_complete_marks_the_task_with_the_callback_that_anyio_looks_for(loop):
    async def main():
        return [callback for callback, _ in asyncio.current_task()._callbacks]

    callbacks = loop.run_until_complete(main())

    assert callbacks == [asyncio.base_events._run_until_complete_cb]


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_a_task_that_raises_an_exit_exception_ends_the_run(loop, exception):
    async def main():
        await asyncio.sleep(0)
        raise exception

    with pytest.raises(exception):
        loop.run_until_complete(main())

    assert not loop.is_running()
    assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("schedule", ["call_soon", "call_later", "call_soon_threadsafe"])
def test_a_callback_that_raises_an_exit_exception_ends_the_run(loop, exception, schedule):
    def callback():
        raise exception

    delay = (0,) if schedule == "call_later" else ()
    getattr(loop, schedule)(*delay, callback)

    with pytest.raises(exception):
        loop.run_forever()

    assert not loop.is_running()
    assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"


def test_callbacks_behind_one_that_raises_an_exit_exception_run_in_the_next_run(loop):
    seen = []

    def callback():
        raise KeyboardInterrupt

    loop.call_soon(callback)
    loop.call_soon(seen.append, "behind")
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()

    loop.call_soon(loop.stop)
    loop.run_forever()

    assert seen == ["behind"]


def test_is_running_and_get_running_loop_tell_the_loop_only_while_it_runs(loop):
    async def main():
        return loop.is_running(), asyncio.get_running_loop()

    assert loop.run_until_complete(main()) == (True, loop)
    assert not loop.is_running()
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_run_until_complete_on_a_running_loop_is_refused(loop):
    async def main():
        with (
            contextlib.closing(asyncio.sleep(0)) as coroutine,
            pytest.raises(RuntimeError, match=r"^This event loop is already running$"),
        ):
            loop.run_until_complete(coroutine)
        return "still running"

    assert loop.run_until_complete(main()) == "still running"


def test_run_forever_on_a_running_loop_is_refused_and_leaves_it_running(loop):
    if is_stdlib(loop) and sys.version_info[:2] == (3, 13):
        pytest.skip("asyncio of Python 3.13 takes the running loop down (fixed in 3.14)")

    async def main():
        with pytest.raises(RuntimeError, match=r"^This event loop is already running$"):
            loop.run_forever()
        await asyncio.sleep(0)
        return loop.is_running(), asyncio.get_running_loop()

    assert loop.run_until_complete(main()) == (True, loop)


def test_running_a_second_loop_inside_a_running_one_is_refused(loop, loop_factory):
    message = r"^Cannot run the event loop while another loop is running$"

    async def main():
        with (
            contextlib.closing(loop_factory()) as inner,
            contextlib.closing(asyncio.sleep(0)) as coroutine,
            pytest.raises(RuntimeError, match=message),
        ):
            inner.run_until_complete(coroutine)

    loop.run_until_complete(main())


def test_close_of_a_running_loop_is_refused(loop):
    async def main():
        with pytest.raises(RuntimeError, match=r"^Cannot close a running event loop$"):
            loop.close()

    loop.run_until_complete(main())
    assert not loop.is_closed()


def test_close_can_be_repeated(loop):
    assert not loop.is_closed()
    loop.close()
    loop.close()
    assert loop.is_closed()


def test_close_drops_what_was_scheduled(loop):
    seen = []
    loop.call_soon(seen.append, "soon")
    loop.call_later(0, seen.append, "later")

    loop.close()

    assert seen == []


@pytest.mark.parametrize(
    "use",
    [
        lambda loop: loop.call_soon(print),
        lambda loop: loop.call_soon_threadsafe(print),
        lambda loop: loop.call_later(1, print),
        lambda loop: loop.call_at(1, print),
        lambda loop: loop.run_in_executor(None, print),
        lambda loop: loop.add_reader(0, print),
        lambda loop: loop.add_writer(0, print),
        lambda loop: loop.run_forever(),
        lambda loop: loop.stop() or loop.run_forever(),
    ],
    ids=[
        "call_soon",
        "call_soon_threadsafe",
        "call_later",
        "call_at",
        "run_in_executor",
        "add_reader",
        "add_writer",
        "run_forever",
        "stop and run_forever",
    ],
)
def test_a_closed_loop_refuses(loop, use):
    loop.close()

    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        use(loop)


@pytest.mark.parametrize("method", ["create_task", "run_until_complete"])
def test_a_closed_loop_refuses_a_coroutine_in(loop, method):
    loop.close()

    with (
        contextlib.closing(asyncio.sleep(0)) as coroutine,
        pytest.raises(RuntimeError, match=r"^Event loop is closed$"),
    ):
        getattr(loop, method)(coroutine)


def test_stop_of_a_closed_loop_does_nothing(loop):
    loop.close()
    loop.stop()


def test_repr_tells_running_closed_and_debug(loop):
    assert repr(loop).endswith(" running=False closed=False debug=False>")
    loop.set_debug(True)
    loop.close()
    assert repr(loop).endswith(" running=False closed=True debug=True>")


def test_a_loop_that_is_dropped_unclosed_warns_and_closes(loop_factory):
    def drop():
        loop_factory()
        gc.collect()

    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        drop()


@pytest.mark.parametrize("schedule", ["call_soon", "call_later"])
def test_a_loop_that_is_dropped_unclosed_warns_even_if_something_scheduled_refers_to_it(
    loop_factory, schedule
):
    if loop_factory.name != "asyncio":
        pytest.skip("ngxloop's handles are not tracked by the collector: docs/differences.md")

    def drop():
        loop = loop_factory()
        delay = (3600,) if schedule == "call_later" else ()
        getattr(loop, schedule)(*delay, loop.stop)
        del loop
        gc.collect()

    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        drop()


def test_a_loop_that_is_dropped_closed_says_nothing(loop_factory):
    loop = loop_factory()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    del loop
    gc.collect()


def test_a_task_pending_when_its_loop_is_closed_and_dropped_is_reported(loop_factory, reports):
    async def never():
        await asyncio.get_running_loop().create_future()

    loop = loop_factory()
    task = loop.create_task(never(), name="pending one")
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    del task
    gc.collect()

    report = reports.pop()
    assert report["message"] == "Task was destroyed but it is pending!"
    assert "pending one" in repr(report["task"])


def test_runner_runs_on_the_loop_of_its_factory(loop_factory):
    made = []

    def factory():
        made.append(loop_factory())
        return made[-1]

    async def main():
        return asyncio.get_running_loop()

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(main()) is made[0]

    assert len(made) == 1
    assert made[0].is_closed()


def test_runner_cancels_the_tasks_that_are_left(loop_factory):
    seen = []

    async def left():
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            seen.append("cancelled")

    async def main():
        task = asyncio.create_task(left())
        await asyncio.sleep(0)
        return task

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        task = runner.run(main())

    assert task.cancelled()
    assert seen == ["cancelled"]
