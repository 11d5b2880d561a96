"""The signal.pause() of scripts: which signals end it, and what else they do."""

import os
import signal
import threading

import pytest

from ngxloop.serving.process.signalpause import SignalPause

TICK_SECONDS = 0.01


@pytest.fixture
def ticks():
    """Have SIGALRM come again and again, so that one comes during every pause()."""
    seen = []
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)
    yield seen
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def handle():
    """Set signal handlers; put the old ones back."""
    before = {}

    def handle(number, handler):
        before[number] = signal.signal(number, handler)

    yield handle
    for number, handler in before.items():
        signal.signal(number, handler)


def test_handlers_have_run_when_it_returns(ticks):
    fds = os.listdir("/proc/self/fd")
    SignalPause(signal.SIGURG).pause()
    assert ticks
    assert os.listdir("/proc/self/fd") == fds


def test_the_ignored_signal_is_handled_and_does_not_end_it(ticks, handle):
    ended = threading.Event()
    tick_count_at_the_first_other = []

    def end():
        while len(ticks) < 3:
            threading.Event().wait(TICK_SECONDS)
        while not ended.wait(TICK_SECONDS):  # the first may come before it waits
            os.kill(os.getpid(), signal.SIGUSR1)

    handle(signal.SIGUSR1, lambda *_: tick_count_at_the_first_other.append(len(ticks)))
    thread = threading.Thread(target=end)
    thread.start()
    SignalPause(signal.SIGALRM).pause()
    ended.set()
    thread.join()
    assert tick_count_at_the_first_other[0] >= 3


def test_what_a_handler_raises_ends_it(handle):
    def fail(*_):
        raise LookupError

    def pause():
        signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS)
        SignalPause(signal.SIGURG).pause()

    handle(signal.SIGALRM, fail)
    with pytest.raises(LookupError):
        pause()


def test_a_handler_may_wait_for_the_next_signal(ticks, handle):
    pause = SignalPause(signal.SIGURG).pause
    depths = []

    def wait(*_):
        depths.append(len(depths))
        if len(depths) == 1:
            pause()

    handle(signal.SIGALRM, wait)
    pause()
    assert len(depths) >= 2


def test_the_programs_own_wakeup_fd_gets_all_numbers(ticks):
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    before = signal.set_wakeup_fd(write_fd)
    try:
        SignalPause(signal.SIGURG).pause()
        assert signal.SIGALRM in os.read(read_fd, 100)
    finally:
        assert signal.set_wakeup_fd(before) == write_fd
        os.close(read_fd)
        os.close(write_fd)


def test_another_thread_waits_as_ever():
    ended, is_seen = threading.Event(), threading.Event()

    def wait():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        SignalPause(signal.SIGURG).pause()
        ended.set()
        is_seen.wait()  # a thread that has ended takes no signal

    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert thread.ident is not None
    for _ in range(1000):
        signal.pthread_kill(thread.ident, signal.SIGUSR1)
        if ended.wait(TICK_SECONDS):
            break
    is_seen.set()
    assert ended.is_set()
    thread.join()
    signal.signal(signal.SIGUSR1, before)
