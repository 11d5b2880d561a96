"""What other threads and signal handlers may do with a loop."""

import asyncio
import signal
import threading

import pytest

from tests.support.waiting import DEADLINE


def test_call_soon_threadsafe_wakes_a_loop_that_sleeps(loop):
    idle = threading.Event()
    loop.call_later(0, idle.set)  # nothing is due after this: the loop goes to sleep

    def wake():
        assert idle.wait(DEADLINE)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=wake)
    thread.start()
    loop.run_forever()
    thread.join()


def test_callbacks_of_one_thread_run_in_their_order(loop):
    seen = []

    def add():
        for number in range(1000):
            loop.call_soon_threadsafe(seen.append, number)
        loop.call_soon_threadsafe(loop.stop)

    thread = threading.Thread(target=add)
    thread.start()
    loop.run_forever()
    thread.join()

    assert seen == list(range(1000))


def test_no_callback_of_many_threads_is_lost(loop):
    seen = []
    thread_count, callback_count = 8, 500

    def add(name):
        for number in range(callback_count):
            loop.call_soon_threadsafe(receive, (name, number))

    def receive(item):
        seen.append(item)
        if len(seen) == thread_count * callback_count:
            loop.stop()

    threads = [threading.Thread(target=add, args=(name,)) for name in range(thread_count)]
    for thread in threads:
        thread.start()
    loop.run_forever()
    for thread in threads:
        thread.join()

    for name in range(thread_count):
        assert [n for owner, n in seen if owner == name] == list(range(callback_count))


def test_threads_and_the_loop_can_play_ping_pong(loop):
    ping = threading.Semaphore(0)
    count = 0

    def pong():
        nonlocal count
        count += 1
        if count == 500:
            loop.stop()
        else:
            ping.release()

    def play():
        for _ in range(500):
            assert ping.acquire(timeout=DEADLINE)
            loop.call_soon_threadsafe(pong)

    thread = threading.Thread(target=play)
    thread.start()
    ping.release()
    loop.run_forever()
    thread.join()

    assert count == 500


def test_call_soon_threadsafe_keeps_its_place_among_call_soon_in_the_loops_thread(loop):
    seen = []
    loop.call_soon(seen.append, 1)
    loop.call_soon_threadsafe(seen.append, 2)
    loop.call_soon(seen.append, 3)
    loop.call_soon(loop.stop)

    loop.run_forever()

    assert seen == [1, 2, 3]


def test_call_soon_threadsafe_before_the_run_is_kept(loop):
    seen = []
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(seen.append, 1))
    thread.start()
    thread.join()

    loop.call_soon(loop.stop)
    loop.run_forever()

    assert seen == [1]


def test_a_callback_of_another_thread_can_be_cancelled(loop):
    seen = []
    handle = loop.call_soon_threadsafe(seen.append, 1)
    handle.cancel()

    loop.call_soon(loop.stop)
    loop.run_forever()

    assert seen == []


def test_call_soon_threadsafe_wakes_the_loop_from_a_signal_handler(loop):
    woken = []
    previous = signal.signal(
        signal.SIGALRM, lambda *_: loop.call_soon_threadsafe(lambda: (woken.append(1), loop.stop()))
    )
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        loop.run_forever()
    finally:
        signal.signal(signal.SIGALRM, previous)

    assert woken == [1]


def test_a_closed_loop_refuses_callbacks_of_other_threads(loop):
    loop.close()
    raised = []

    def call():
        try:
            loop.call_soon_threadsafe(print)
        except RuntimeError as exc:
            raised.append(str(exc))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()

    assert raised == ["Event loop is closed"]


def test_a_loop_can_run_in_a_thread_that_is_not_the_main_one(loop_factory):
    results = []

    def target():
        loop = loop_factory()
        results.append(loop.run_until_complete(asyncio.sleep(0.001, "result")))
        loop.close()

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()

    assert results == ["result"]


def test_a_loop_may_be_made_in_one_thread_and_run_in_another(loop):
    results = []
    thread = threading.Thread(
        target=lambda: results.append(loop.run_until_complete(asyncio.sleep(0.001, "result")))
    )
    thread.start()
    thread.join()

    assert results == ["result"]


def test_loops_in_several_threads_do_not_disturb_each_other(loop_factory):
    results = []

    async def main(number):
        for _ in range(100):
            await asyncio.sleep(0)
        await asyncio.sleep(0.001)
        return number

    def target(number):
        loop = loop_factory()
        results.append(loop.run_until_complete(main(number)))
        loop.close()

    threads = [threading.Thread(target=target, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [0, 1, 2, 3]


def test_run_coroutine_threadsafe_hands_back_results_and_exceptions(loop):
    async def fail():
        raise LookupError("from the loop")

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "result"), loop)
        assert future.result(DEADLINE) == "result"
        failing = asyncio.run_coroutine_threadsafe(fail(), loop)
        with pytest.raises(LookupError, match="from the loop"):
            failing.result(DEADLINE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
