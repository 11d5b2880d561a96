"""set_busy_poll(): what comes while the loop looks needs no sleep, and everything still comes."""

import asyncio
import math
import os
import signal
import socket
import threading

import pytest

from tests.support.waiting import DEADLINE, turns

MESSAGE = b"x" * 64


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


async def echo_times(loop, pair, count):
    """Ask a thread that answers, one question at a time; return how often the loop slept."""
    ours, theirs = pair

    def answer():
        for _ in range(count):
            theirs.sendall(theirs.recv(len(MESSAGE)))

    thread = asyncio.create_task(asyncio.to_thread(answer))
    await turns(3)
    before = loop.stats().sleep_count
    for _ in range(count):
        await loop.sock_sendall(ours, MESSAGE)
        assert await loop.sock_recv(ours, len(MESSAGE)) == MESSAGE
    slept = loop.stats().sleep_count - before
    await thread
    return slept


def test_loop_that_looks_does_not_sleep(loop, pair):
    loop.set_busy_poll(math.inf)

    assert loop.run_until_complete(echo_times(loop, pair, 50)) == 0


def test_loop_sleeps_by_default_and_again_when_told_to(loop, pair):
    loop.set_busy_poll(math.inf)
    loop.set_busy_poll(0)

    assert loop.run_until_complete(echo_times(loop, pair, 50)) > 0


def test_loop_sleeps_after_it_has_looked_in_vain(loop):
    loop.set_busy_poll(1e-6)
    before = loop.stats().sleep_count

    loop.run_until_complete(asyncio.sleep(0.05))

    assert 0 < loop.stats().sleep_count - before < 10


@pytest.mark.parametrize("seconds", [0.005, math.inf], ids=["sleeping", "looking"])
def test_timers_are_never_early(loop, seconds):
    loop.set_busy_poll(seconds)
    start = loop.time()

    loop.run_until_complete(asyncio.sleep(0.02))

    assert loop.time() >= start + 0.02


def test_other_threads_run_and_wake_the_loop(loop):
    loop.set_busy_poll(math.inf)
    done = loop.create_future()
    thread = threading.Timer(0.01, lambda: loop.call_soon_threadsafe(done.set_result, "woken"))
    thread.start()

    assert loop.run_until_complete(asyncio.wait_for(done, DEADLINE)) == "woken"
    thread.join()


def test_ctrl_c_ends_a_loop_that_looks(loop):
    loop.set_busy_poll(math.inf)
    thread = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT))
    loop.call_soon(thread.start)

    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    thread.join()


def test_signal_handler_runs_in_a_loop_that_looks(loop):
    loop.set_busy_poll(math.inf)
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    thread = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGUSR1))
    thread.start()

    loop.run_forever()

    thread.join()
    loop.remove_signal_handler(signal.SIGUSR1)


@pytest.mark.parametrize("seconds", [-1, -1e-9, math.nan])
def test_impossible_time_is_refused(loop, seconds):
    with pytest.raises(ValueError, match="seconds must not be negative"):
        loop.set_busy_poll(seconds)


@pytest.mark.parametrize("seconds", [None, "1", b"1", [1]])
def test_what_is_no_number_is_refused(loop, seconds):
    with pytest.raises(TypeError):
        loop.set_busy_poll(seconds)


def test_closed_loop_may_be_told(loop):
    loop.close()
    loop.set_busy_poll(0)
