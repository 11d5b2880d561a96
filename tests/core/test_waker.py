"""Waker: one write per sleep, wake-ups from threads, the signal pipe."""

import os
import select
import threading

import pytest

from tests.probes.waker import WakerProbe
from tests.support.waiting import DEADLINE


@pytest.fixture
def waker():
    probe = WakerProbe()
    yield probe
    probe.close()


def count_of(waker: WakerProbe) -> int:
    """Return how often the eventfd was written to since it was read last."""
    try:
        return int.from_bytes(os.read(waker.waker.event_fd, 8), "little")
    except BlockingIOError:
        return 0


def test_wake_while_awake_writes_nothing(waker):
    waker.wake()

    assert count_of(waker) == 0


def test_wake_during_sleep_writes_once(waker):
    waker.fall_asleep()

    for _ in range(5):
        waker.wake()

    assert count_of(waker) == 1


def test_each_sleep_can_be_ended_once(waker):
    for _ in range(3):
        waker.fall_asleep()
        waker.wake()
        waker.wake()
        waker.rise()

    assert count_of(waker) == 3


def test_wake_after_sleep_writes_nothing(waker):
    waker.fall_asleep()
    waker.rise()

    waker.wake()

    assert count_of(waker) == 0


def test_wake_from_a_thread_ends_a_wait(waker):
    waker.fall_asleep()
    thread = threading.Thread(target=waker.wake)
    thread.start()

    readable, _, _ = select.select([waker.waker.event_fd], [], [], DEADLINE)
    thread.join()

    assert readable == [waker.waker.event_fd]


def test_wake_when_the_counter_is_full_is_forgiven(waker):
    os.write(waker.waker.event_fd, (2**64 - 2).to_bytes(8, "little"))
    waker.fall_asleep()

    waker.wake()

    assert count_of(waker) == 2**64 - 2


def test_drain_wakes_empties_the_counter(waker):
    waker.fall_asleep()
    waker.wake()

    waker.drain_wakes()
    waker.drain_wakes()  # there is nothing: it must not block

    assert count_of(waker) == 0


def test_signal_pipe_is_made_once_and_when_asked_for(waker):
    before = (waker.waker.signal_fd, waker.waker.signal_write_fd)
    waker.open_signal_pipe()
    fds = (waker.waker.signal_fd, waker.waker.signal_write_fd)
    waker.open_signal_pipe()

    assert before == (-1, -1)
    assert min(fds) >= 0
    assert (waker.waker.signal_fd, waker.waker.signal_write_fd) == fds


def test_signal_pipe_delivers_numbers_in_order(waker):
    waker.open_signal_pipe()

    os.write(waker.waker.signal_write_fd, bytes([2, 15, 2]))

    assert waker.drain_signals() == bytes([2, 15, 2])
    assert waker.drain_signals() == b""


def test_signal_pipe_with_many_numbers_is_read_in_portions(waker):
    waker.open_signal_pipe()
    numbers = bytes(i % 64 for i in range(1200))
    os.write(waker.waker.signal_write_fd, numbers)

    portions = [waker.drain_signals() for _ in range(4)]

    assert [len(portion) for portion in portions] == [512, 512, 176, 0]
    assert b"".join(portions) == numbers


def test_wake_up_fds_neither_block_nor_are_inherited(waker):
    waker.open_signal_pipe()
    fds = (waker.waker.event_fd, waker.waker.signal_fd, waker.waker.signal_write_fd)

    assert [os.get_blocking(fd) for fd in fds] == [False] * 3
    assert [os.get_inheritable(fd) for fd in fds] == [False] * 3


def test_close_closes_all_fds_once(waker):
    waker.open_signal_pipe()
    fds = (waker.waker.event_fd, waker.waker.signal_fd, waker.waker.signal_write_fd)

    waker.close()
    waker.close()

    for fd in fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    assert waker.waker.event_fd == waker.waker.signal_fd == waker.waker.signal_write_fd == -1


def test_wake_of_closed_waker_is_harmless(waker):
    waker.close()

    waker.wake()


def test_waker_dropped_closes_its_fds():
    probe = WakerProbe()
    fd = probe.waker.event_fd

    del probe

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
