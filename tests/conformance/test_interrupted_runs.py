"""Signals to a loop without handlers of its own: Ctrl-C, and handlers of the signal module."""

import asyncio
import signal
import threading

import pytest

from tests.support.signals import kill_when_asleep
from tests.support.waiting import DEADLINE

pytestmark = pytest.mark.usefixtures("signals_are_put_back")


def test_ctrl_c_without_a_handler_leaves_run_forever_at_once(loop):
    thread = kill_when_asleep(loop, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    thread.join()

    assert not loop.is_running()
    assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"


def test_an_exception_of_a_python_signal_handler_leaves_run_forever_at_once(loop):
    class AlarmError(Exception):
        pass

    def handler(_signum, _frame):
        raise AlarmError

    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        thread = kill_when_asleep(loop, signal.SIGUSR1)
        with pytest.raises(AlarmError):
            loop.run_forever()
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, previous)

    assert loop.run_until_complete(asyncio.sleep(0, "again")) == "again"


def test_a_python_signal_handler_runs_while_the_loop_sleeps(loop):
    called = threading.Event()
    previous = signal.signal(signal.SIGUSR1, lambda *_: called.set())
    try:
        thread = kill_when_asleep(loop, signal.SIGUSR1)

        def stop_when_called():
            assert called.wait(DEADLINE)
            loop.call_soon_threadsafe(loop.stop)

        stopper = threading.Thread(target=stop_when_called)
        stopper.start()
        loop.run_forever()
        thread.join()
        stopper.join()
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_ctrl_c_cancels_the_main_task_of_a_runner_and_raises(loop_factory):
    seen = []

    async def main():
        kill_when_asleep(asyncio.get_running_loop(), signal.SIGINT)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    with asyncio.Runner(loop_factory=loop_factory) as runner, pytest.raises(KeyboardInterrupt):
        runner.run(main())

    assert seen == ["cancelled"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_ends_a_runner_whose_main_task_ignores_the_first(loop_factory):
    async def main():
        loop = asyncio.get_running_loop()
        kill_when_asleep(loop, signal.SIGINT)
        try:
            await loop.create_future()
        except asyncio.CancelledError:
            kill_when_asleep(loop, signal.SIGINT)
            await loop.create_future()

    with asyncio.Runner(loop_factory=loop_factory) as runner, pytest.raises(KeyboardInterrupt):
        runner.run(main())


def test_a_main_task_that_handles_ctrl_c_returns_its_result(loop_factory):
    async def main():
        kill_when_asleep(asyncio.get_running_loop(), signal.SIGINT)
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return "cleaned up"

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(main()) == "cleaned up"
