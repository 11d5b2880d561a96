"""No signal is lost, around a fork neither."""

import os
import select
import signal

import pytest

from ngxloop.serving.process.signals import (
    MASTER_SIGNALS,
    SignalPipe,
    reset_in_worker,
    signals_blocked,
)
from tests.support.waiting import DEADLINE


@pytest.fixture
def pipe():
    pipe = SignalPipe()
    pipe.open()
    yield pipe
    pipe.close()


def test_signals_are_read_in_the_order_of_their_arrival(pipe):
    for number in MASTER_SIGNALS:
        os.kill(os.getpid(), number)
    assert pipe.wait(DEADLINE)
    assert pipe.read() == list(MASTER_SIGNALS)
    assert pipe.read() == []


def test_wait_without_a_signal_ends_with_the_time(pipe):
    assert not pipe.wait(0.01)


def test_signal_makes_the_pipe_readable_for_epoll(pipe):
    with select.epoll() as epoll:
        epoll.register(pipe.fileno(), select.EPOLLIN)
        os.kill(os.getpid(), signal.SIGHUP)
        assert epoll.poll(DEADLINE) == [(pipe.fileno(), select.EPOLLIN)]


@pytest.mark.complaint(14)
def test_signal_sent_while_blocked_arrives_afterwards(pipe):
    with signals_blocked():
        signal.raise_signal(signal.SIGTERM)  # to this thread: the test's process may have others
        assert pipe.read() == []
    assert pipe.wait(DEADLINE)
    assert pipe.read() == [signal.SIGTERM]


def test_close_gives_handlers_and_wakeup_fd_back():
    before = [signal.getsignal(number) for number in MASTER_SIGNALS]
    pipe = SignalPipe()
    pipe.open()
    pipe.close()
    assert [signal.getsignal(number) for number in MASTER_SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_open_lets_blocked_signals_in_and_close_holds_them_back_again():
    old = signal.pthread_sigmask(signal.SIG_BLOCK, MASTER_SIGNALS)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    pipe = SignalPipe()
    try:
        pipe.open()
        os.kill(os.getpid(), signal.SIGTERM)
        assert pipe.wait(DEADLINE)
        assert pipe.read() == [signal.SIGTERM]
        pipe.close()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


def test_blocked_mask_is_restored_after_an_error():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with pytest.raises(RuntimeError), signals_blocked():
        raise RuntimeError
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 0),
        (signal.SIGQUIT, 0),
        (signal.SIGHUP, 0),
        (signal.SIGUSR1, 0),
        (signal.SIGWINCH, 0),
        (signal.SIGTERM, -signal.SIGTERM),
    ],
)
def test_signal_sent_during_the_fork_meets_the_workers_own_handlers(pipe, number, status):
    with signals_blocked():
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), number)
            reset_in_worker()
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status
    assert pipe.wait(DEADLINE)
    assert pipe.read() == [signal.SIGCHLD]


def test_programs_that_a_worker_starts_do_not_ignore_signals(pipe):
    """A handler is reset by exec; SIG_IGN would be inherited."""
    with signals_blocked():
        pid = os.fork()
        if pid == 0:
            reset_in_worker()
            os.execlp("sh", "sh", "-c", "kill -INT $$; exit 0")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGINT


def test_pipe_one_end_of_which_is_another_file_is_made_anew(pipe):
    assert pipe.is_intact()
    number = pipe.fileno()
    with open(os.devnull, "rb") as other:
        os.dup2(other.fileno(), number)
    assert not pipe.is_intact()
    pipe.renew()
    assert pipe.is_intact()
    os.kill(os.getpid(), signal.SIGHUP)
    assert pipe.wait(10)
    assert pipe.read() == [signal.SIGHUP]
    os.close(number)  # that file was left alone
