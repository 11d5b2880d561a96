"""Signal handlers of the loop: called for every kind of signal, put back, refused where due."""

import asyncio
import contextvars
import fcntl
import os
import signal
import threading
from collections import Counter

import pytest

from tests.support.loops import LOOPS, is_stdlib
from tests.support.programs import run_program
from tests.support.signals import kill_when_asleep
from tests.support.waiting import turns, wait_until

pytestmark = pytest.mark.usefixtures("signals_are_put_back")


async def test_a_handler_is_called_with_its_arguments_for_every_signal():
    loop = asyncio.get_running_loop()
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, lambda *args: seen.append(args), 1, "two")
    for count in range(1, 4):
        signal.raise_signal(signal.SIGUSR1)
        await wait_until(lambda count=count: len(seen) == count)

    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert seen == [(1, "two")] * 3


def test_a_signal_wakes_a_loop_that_sleeps(loop):
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)

    thread = kill_when_asleep(loop, signal.SIGUSR1)
    loop.run_forever()
    thread.join()
    loop.remove_signal_handler(signal.SIGUSR1)


async def test_handlers_of_different_signals_are_independent():
    loop = asyncio.get_running_loop()
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    loop.add_signal_handler(signal.SIGUSR2, seen.append, 2)
    signal.raise_signal(signal.SIGUSR2)
    await wait_until(lambda: seen)
    loop.remove_signal_handler(signal.SIGUSR2)
    signal.raise_signal(signal.SIGUSR1)
    await wait_until(lambda: len(seen) == 2)
    loop.remove_signal_handler(signal.SIGUSR1)

    assert seen == [2, 1]


async def test_adding_again_replaces_the_handler():
    loop = asyncio.get_running_loop()
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "first")
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "second")
    signal.raise_signal(signal.SIGUSR1)
    await wait_until(lambda: seen)
    loop.remove_signal_handler(signal.SIGUSR1)

    assert seen == ["second"]


async def test_remove_tells_whether_there_was_a_handler():
    loop = asyncio.get_running_loop()
    assert loop.remove_signal_handler(signal.SIGUSR1) is False
    loop.add_signal_handler(signal.SIGUSR1, int)
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert loop.remove_signal_handler(signal.SIGUSR1) is False


def test_handlers_can_be_added_and_removed_while_the_loop_does_not_run(loop):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    signal.raise_signal(signal.SIGUSR1)
    assert seen == []

    loop.run_until_complete(wait_until(lambda: seen))
    assert loop.remove_signal_handler(signal.SIGUSR1) is True


def test_a_signal_that_comes_while_another_loop_runs_is_kept_for_the_next_run(loop, loop_factory):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    other = loop_factory()
    other.call_soon(signal.raise_signal, signal.SIGUSR1)
    other.run_until_complete(turns(5))
    other.close()

    loop.run_until_complete(wait_until(lambda: seen))
    loop.remove_signal_handler(signal.SIGUSR1)

    assert seen == [1]


def test_a_handler_works_in_every_run_of_the_loop(loop):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    for count in (1, 2):
        loop.call_soon(signal.raise_signal, signal.SIGUSR1)
        loop.run_until_complete(wait_until(lambda count=count: len(seen) == count))
    loop.remove_signal_handler(signal.SIGUSR1)


@pytest.mark.parametrize(
    ("number", "default"),
    [(signal.SIGINT, signal.default_int_handler), (signal.SIGUSR1, signal.SIG_DFL)],
    ids=["SIGINT", "SIGUSR1"],
)
def test_remove_restores_the_default_action(loop, number, default):
    loop.add_signal_handler(number, int)
    assert signal.getsignal(number) != default
    loop.remove_signal_handler(number)

    assert signal.getsignal(number) == default


def test_close_removes_the_handlers(loop):
    loop.add_signal_handler(signal.SIGUSR1, int)
    loop.add_signal_handler(signal.SIGUSR2, int)
    loop.close()

    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL


def test_a_handler_that_is_removed_in_a_later_run_leaves_no_wake_up_fd(loop):
    async def add():
        loop.add_signal_handler(signal.SIGUSR1, loop.stop)

    async def remove():
        loop.remove_signal_handler(signal.SIGUSR1)

    loop.run_until_complete(add())
    loop.run_until_complete(remove())

    assert signal.set_wakeup_fd(-1) == -1


def test_the_wake_up_fd_of_somebody_else_is_left_in_place(loop):
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        signal.set_wakeup_fd(write_end)
        loop.run_until_complete(asyncio.sleep(0))
        assert signal.set_wakeup_fd(-1) == write_end
    finally:
        os.close(read_end)
        os.close(write_end)


def test_a_wake_up_fd_that_was_closed_does_not_disturb_a_loop(loop):
    heard = []
    read_end, write_end = os.pipe2(os.O_NONBLOCK)
    number = fcntl.fcntl(write_end, fcntl.F_DUPFD_CLOEXEC, 500)  # one that nobody takes meanwhile
    signal.set_wakeup_fd(number)
    for fd in (read_end, write_end, number):
        os.close(fd)
    try:
        loop.run_until_complete(asyncio.sleep(0))
        loop.add_signal_handler(signal.SIGUSR1, heard.append, 1)
        signal.raise_signal(signal.SIGUSR1)
        loop.run_until_complete(wait_until(lambda: heard))
        loop.remove_signal_handler(signal.SIGUSR1)
    finally:
        signal.set_wakeup_fd(-1)


def test_a_handler_cannot_be_added_outside_the_main_thread(loop_factory):
    raised = []

    def target():
        loop = loop_factory()
        try:
            loop.add_signal_handler(signal.SIGUSR1, int)
        except RuntimeError as exc:
            raised.append(str(exc))
        loop.close()

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()

    assert len(raised) == 1
    assert "main thread" in raised[0]


@pytest.mark.parametrize(
    ("number", "error", "message"),
    [
        (999, ValueError, "^invalid signal number 999$"),
        (0, ValueError, "^invalid signal number 0$"),
        ("USR1", TypeError, "^sig must be an int, not 'USR1'$"),
        (signal.SIGKILL, RuntimeError, "^sig 9 cannot be caught$"),
        (signal.SIGSTOP, RuntimeError, "^sig 19 cannot be caught$"),
    ],
    ids=["999", "0", "string", "SIGKILL", "SIGSTOP"],
)
def test_add_signal_handler_refuses(loop, number, error, message):
    with pytest.raises(error, match=message):
        loop.add_signal_handler(number, int)


@pytest.mark.parametrize("number", [999, "USR1"], ids=str)
def test_remove_signal_handler_refuses(loop, number):
    with pytest.raises((ValueError, TypeError)):
        loop.remove_signal_handler(number)


def test_a_coroutine_function_is_refused(loop):
    async def handler():
        raise AssertionError("not reached")

    message = r"^coroutines cannot be used with add_signal_handler\(\)$"
    with pytest.raises(TypeError, match=message):
        loop.add_signal_handler(signal.SIGUSR1, handler)

    coroutine = handler()
    with pytest.raises(TypeError, match=message):
        loop.add_signal_handler(signal.SIGUSR1, coroutine)
    coroutine.close()


def test_a_closed_loop_refuses_handlers(loop):
    loop.close()

    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        loop.add_signal_handler(signal.SIGUSR1, int)


async def test_a_handler_that_raises_is_reported(reports):
    loop = asyncio.get_running_loop()

    def handler():
        raise ZeroDivisionError

    loop.add_signal_handler(signal.SIGUSR1, handler)
    signal.raise_signal(signal.SIGUSR1)
    await wait_until(lambda: reports)
    loop.remove_signal_handler(signal.SIGUSR1)

    report = reports.pop()
    assert isinstance(report["exception"], ZeroDivisionError)
    assert report["message"].startswith("Exception in callback ")


async def test_a_handler_runs_in_the_context_it_was_added_in():
    loop = asyncio.get_running_loop()
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    async def add():
        variable.set("adder")
        loop.add_signal_handler(signal.SIGUSR1, lambda: seen.append(variable.get()))

    await asyncio.create_task(add())
    signal.raise_signal(signal.SIGUSR1)
    await wait_until(lambda: seen)
    loop.remove_signal_handler(signal.SIGUSR1)

    assert seen == ["adder"]


async def test_many_signals_at_once_are_all_heard_of():
    loop = asyncio.get_running_loop()
    seen = set()
    numbers = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGWINCH]
    for number in numbers:
        loop.add_signal_handler(number, seen.add, number)
    for _ in range(20):
        for number in numbers:
            signal.raise_signal(number)
    await wait_until(lambda: seen == set(numbers))
    await turns(3)
    for number in numbers:
        loop.remove_signal_handler(number)


@pytest.mark.parametrize("count", [511, 512, 513, 65_535, 65_536, 100_000])
async def test_a_signal_is_heard_of_behind_more_of_another_than_the_pipe_holds(count):
    loop = asyncio.get_running_loop()
    if is_stdlib(loop):
        pytest.skip("asyncio's socket takes some 280 signals; what comes then is lost")
    seen = Counter()
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        loop.add_signal_handler(number, seen.update, [number])
    for _ in range(count):
        signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(signal.SIGUSR2)
    await wait_until(lambda: seen[signal.SIGUSR2])
    await turns(3)

    assert seen[signal.SIGUSR1] == min(count, 65_536)
    assert seen[signal.SIGUSR2] == 1
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.raise_signal(number)
    await wait_until(lambda: seen[signal.SIGUSR2] == 2)
    assert seen[signal.SIGUSR1] == min(count, 65_536) + 1
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        loop.remove_signal_handler(number)


CLOSED_IN_A_THREAD = """
    import asyncio, os, signal, threading, warnings
    from tests.support.loops import LOOPS

    warnings.simplefilter("ignore")
    loop = LOOPS["{name}"]()
    loop.run_until_complete(asyncio.sleep(0))
    loop.add_signal_handler(signal.SIGUSR1, print)
    loop.add_signal_handler(signal.SIGUSR2, print)
    open_before = set(os.listdir("/proc/self/fd"))
    errors = []

    def close():
        try:
            loop.close()
        except ValueError as exc:
            errors.append(exc)

    thread = threading.Thread(target=close)
    thread.start()
    thread.join()
    assert loop.is_closed()
    assert len(errors) == 1, errors
    assert len(os.listdir("/proc/self/fd")) < len(open_before)
    if "{name}" != "asyncio":  # its wake-up fd may be another file's by now
        taken = [os.open("/dev/null", os.O_RDWR) for _ in range(10)]
        read_end, write_end = os.pipe2(os.O_NONBLOCK)
        assert signal.set_wakeup_fd(-1) not in (*taken, read_end, write_end)
    loop.close()
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    signal.signal(signal.SIGUSR2, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    print("closed")
"""


@pytest.mark.parametrize("name", LOOPS)
def test_a_loop_with_handlers_that_is_closed_in_a_thread_is_closed(name):
    assert run_program(CLOSED_IN_A_THREAD.format(name=name)) == "closed\n"


# ---- private to asyncio, but read by packages: prompt_toolkit installs again what it finds


async def test_a_handler_that_was_found_in_signal_handlers_can_be_installed_again():
    loop = asyncio.get_running_loop()
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, lambda *args: seen.append(args), 1, "two")
    found = loop._signal_handlers.get(signal.SIGUSR1)
    loop.remove_signal_handler(signal.SIGUSR1)

    loop.add_signal_handler(signal.SIGUSR1, found._callback, *found._args)
    signal.raise_signal(signal.SIGUSR1)
    await wait_until(lambda: seen)

    assert isinstance(found, asyncio.Handle)
    assert seen == [(1, "two")]
    assert loop.remove_signal_handler(signal.SIGUSR1) is True


async def test_a_signal_whose_handle_was_cancelled_removes_the_handler():
    loop = asyncio.get_running_loop()
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    loop._signal_handlers[signal.SIGUSR1].cancel()

    signal.raise_signal(signal.SIGUSR1)
    await wait_until(lambda: signal.SIGUSR1 not in loop._signal_handlers)

    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert seen == []
