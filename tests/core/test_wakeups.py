"""Wake-ups of a sleeping loop: none is lost, and none is paid for while it is awake."""

import os
import signal
import threading

from tests.support.waiting import wait_until_blocking


def run_in_thread(loop) -> threading.Thread:
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    return thread


def wait_until_asleep(probe) -> None:
    wait_until_blocking(lambda: probe.sleeping, "the loop to sleep")


def test_sleeping_loop_is_woken_again_and_again(loop, probe):
    thread = run_in_thread(loop)
    seen = []

    for number in range(50):
        wait_until_asleep(probe)
        loop.call_soon_threadsafe(seen.append, number)
        wait_until_blocking(lambda count=number + 1: len(seen) == count, "the callback to run")
    loop.call_soon_threadsafe(loop.stop)
    thread.join()

    assert seen == list(range(50))


def test_thread_that_wakes_the_loop_over_and_over_loses_nothing(loop, probe):
    seen = []
    thread = run_in_thread(loop)
    wait_until_asleep(probe)

    for number in range(20_000):
        loop.call_soon_threadsafe(seen.append, number)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()

    assert seen == list(range(20_000))


def test_wake_up_of_a_loop_that_is_awake_costs_no_write(loop, probe):
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()

    loop.call_soon(lambda: [loop.call_soon_threadsafe(int) for _ in range(10)])
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()

    os.write(probe.event_fd, (1).to_bytes(8, "little"))
    assert int.from_bytes(os.read(probe.event_fd, 8), "little") == 1


def test_interrupted_sleep_leaves_the_loop_awake(loop, probe):
    def handler(*_args):
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    try:
        loop.run_forever()
    except KeyboardInterrupt:
        assert not probe.sleeping
    finally:
        signal.signal(signal.SIGALRM, former)
    loop.call_soon(loop.stop)
    loop.run_forever()
