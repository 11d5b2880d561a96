"""Handles of call_soon_threadsafe(): what another thread may conclude from cancel().

Since Python 3.14 asyncio's cancel() and cancelled() wait, in another thread, until a callback that
has begun has ended; ngxloop's do on every version.
"""

import asyncio
import contextlib
import signal
import sys
import threading

import pytest

from tests.support.loops import is_stdlib
from tests.support.waiting import DEADLINE, wait_until_blocking


class Busy:
    """A callback that has begun, and goes on until it is released."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.release = threading.Event()
        self.ended = False

    def __call__(self) -> None:
        self.begun.set()
        assert self.release.wait(DEADLINE)
        self.ended = True


@pytest.fixture
def waits(loop):
    """Skip where asyncio does not wait yet."""
    if is_stdlib(loop) and sys.version_info < (3, 14):
        pytest.skip("new in Python 3.14")


@contextlib.contextmanager
def running(loop):
    """Run the loop in another thread, which a callback may end by SystemExit."""

    def run():
        with contextlib.suppress(SystemExit):
            loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def waits_in_a_lock(thread: threading.Thread) -> bool:
    """Tell whether a thread sleeps in the kernel."""
    with open(f"/proc/self/task/{thread.native_id}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def call_in_thread(function):
    """Start a thread that calls function(); its result is appended to the list returned with it."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    return thread, results


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
@pytest.mark.parametrize("method", ["cancel", "cancelled"])
@pytest.mark.parametrize("waiter_count", [1, 3])
def test_another_thread_waits_for_a_callback_that_has_begun(loop, method, debug, waiter_count):
    loop.set_debug(debug)
    loop.slow_callback_duration = DEADLINE
    busy = Busy()
    with running(loop):
        handle = loop.call_soon_threadsafe(busy)
        assert busy.begun.wait(DEADLINE)
        waiters = [
            call_in_thread(lambda: (getattr(handle, method)(), busy.ended))
            for _ in range(waiter_count)
        ]
        wait_until_blocking(lambda: all(waits_in_a_lock(thread) for thread, _ in waiters))
        assert [results for _, results in waiters] == [[]] * waiter_count

        busy.release.set()
        for thread, _ in waiters:
            thread.join()

    expected = (None if method == "cancel" else False, True)
    assert [results for _, results in waiters] == [[expected]] * waiter_count
    assert handle.cancelled() is (method == "cancel")


@pytest.mark.usefixtures("waits")
def test_another_thread_waits_for_a_callback_that_fails(loop):
    reports = []
    loop.set_exception_handler(lambda _loop, context: reports.append(context["exception"]))
    busy = Busy()

    def fail():
        busy()
        raise ValueError("on purpose")

    with running(loop):
        handle = loop.call_soon_threadsafe(fail)
        assert busy.begun.wait(DEADLINE)
        thread, results = call_in_thread(lambda: (handle.cancel(), busy.ended))
        busy.release.set()
        thread.join()

    assert results == [(None, True)]
    assert [str(exc) for exc in reports] == ["on purpose"]


@pytest.mark.usefixtures("waits")
def test_another_thread_waits_for_a_callback_that_exits(loop):
    busy = Busy()

    def leave():
        busy()
        raise SystemExit

    with running(loop):
        handle = loop.call_soon_threadsafe(leave)
        assert busy.begun.wait(DEADLINE)
        thread, results = call_in_thread(lambda: (handle.cancel(), busy.ended))
        wait_until_blocking(lambda: waits_in_a_lock(thread))
        busy.release.set()
        thread.join()

    assert results == [(None, True)]


def test_a_callback_may_cancel_its_own_handle(loop):
    seen = []

    def cancel_itself():
        handle.cancel()
        seen.append(handle.cancelled())
        loop.stop()

    handle = loop.call_soon_threadsafe(cancel_itself)
    loop.run_forever()

    assert seen == [True]


def test_a_callback_that_runs_its_own_handle_does_not_wait_for_itself(loop):
    seen = []
    loop.set_exception_handler(lambda _loop, _context: None)

    def run_itself():
        seen.append("began")
        handle._run()  # its context is in use, which is reported
        seen.append("ended")

    handle = loop.call_soon_threadsafe(run_itself)
    loop.call_soon(loop.stop)
    loop.run_forever()

    assert seen == ["began", "ended"]


def test_cancelling_before_the_callback_begins_returns_at_once(loop):
    seen = []
    busy = Busy()
    with running(loop):
        loop.call_soon_threadsafe(busy)
        assert busy.begun.wait(DEADLINE)
        handle = loop.call_soon_threadsafe(seen.append, "ran")
        handle.cancel()  # although another handle's callback runs
        assert handle.cancelled()
        busy.release.set()

    assert seen == []


@pytest.mark.usefixtures("waits")
def test_a_signal_handler_that_raises_ends_the_wait(loop):
    busy = Busy()

    def interrupt(_number, _frame):
        raise InterruptedError

    former = signal.signal(signal.SIGUSR1, interrupt)
    main_id = threading.main_thread().ident
    assert main_id is not None
    try:
        with running(loop):
            handle = loop.call_soon_threadsafe(busy)
            assert busy.begun.wait(DEADLINE)
            threading.Timer(0.01, signal.pthread_kill, (main_id, signal.SIGUSR1)).start()
            with pytest.raises(InterruptedError):
                handle.cancel()
            busy.release.set()
    finally:
        signal.signal(signal.SIGUSR1, former)

    assert not handle.cancelled()


@pytest.mark.usefixtures("waits")
def test_the_loop_waits_for_a_thread_that_runs_the_handle_by_hand(loop):
    ended = []
    busy = Busy()

    def work():
        busy()
        ended.append(threading.current_thread())

    handle = loop.call_soon_threadsafe(work)
    thread, _ = call_in_thread(handle._run)
    assert busy.begun.wait(DEADLINE)
    threading.Timer(0.01, busy.release.set).start()
    loop.call_soon(loop.stop)
    loop.run_forever()
    thread.join()

    assert ended == [thread, threading.current_thread()]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
def test_the_handle_is_of_asyncios_class(loop):
    handle = loop.call_soon_threadsafe(print)

    assert isinstance(handle, asyncio.events._ThreadSafeHandle)
    assert repr(handle).startswith("<_ThreadSafeHandle print(")


@pytest.mark.usefixtures("waits")
def test_no_callback_runs_after_cancel_has_returned(loop):
    """Threads cancel what others have scheduled, as the callbacks run."""
    closed: set[int] = set()
    mistakes = []

    def use(number):
        if number in closed:
            mistakes.append(number)

    def schedule_and_cancel(first):
        for number in range(first, first + 300):
            handle = loop.call_soon_threadsafe(use, number)
            handle.cancel()
            closed.add(number)

    with running(loop):
        threads = [
            threading.Thread(target=schedule_and_cancel, args=(first,))
            for first in range(0, 1200, 300)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert mistakes == []
