"""The master's poller: stale events, the guard, pauses, and an epoll that is lost."""

import contextlib
import errno
import os
import select
import socket
import time

import pytest

from ngxloop.serving.base.handlernames import REMEDIES, HandlerName
from ngxloop.serving.process import failures
from ngxloop.serving.process.failures import Failures
from ngxloop.serving.process.poller import (
    READABLE,
    RETRY_LIMIT_SECONDS,
    WRITABLE,
    Handler,
    Poller,
    retry_delay,
)
from tests.serving.support import DEADLINE

NAME = HandlerName.STATUS_CONNECTION


@pytest.fixture
def poller():
    made = Poller()
    yield made
    made.close()


@pytest.fixture
def pairs():
    """Connected sockets, each with a byte to read."""
    opened = []

    def make():
        ends = socket.socketpair()
        opened.extend(ends)
        ends[1].send(b"x")
        ends[0].setblocking(False)
        return ends

    yield make
    for end in opened:
        end.close()


def handler(action, on_failure=None, name=NAME):
    return Handler(name, action, on_failure)


def fail():
    raise RuntimeError("on purpose")


def turn_until(poller, condition):
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        poller.wait(1.0)


# Stale events ------------------------------------------------------------------------------------


def both_orders(poller, first, second, make_handler):
    """Register two ready descriptors; whichever handler runs first, acts on the other one."""
    poller.add(first.fileno(), handler(make_handler(first, second)))
    poller.add(second.fileno(), handler(make_handler(second, first)))


def test_event_of_a_descriptor_that_was_closed_in_the_same_batch_is_dropped(poller, pairs):
    (first, _), (second, _) = pairs(), pairs()
    calls = []

    def make(own, other):
        def act():
            calls.append(own)
            own.recv(1)
            poller.remove(other.fileno())
            other.close()

        return act

    both_orders(poller, first, second, make)
    poller.wait(0)
    assert len(calls) == 1
    assert poller.failures.total == 0


def test_event_of_a_number_that_was_reused_in_the_same_batch_is_dropped(poller, pairs):
    (first, _), (second, _) = pairs(), pairs()
    idle_reader, idle_writer = socket.socketpair()
    calls, reused = [], []

    def make(own, other):
        def act():
            calls.append("stale" if reused else "first")
            own.recv(1)
            number = other.fileno()
            poller.remove(number)
            other.close()
            os.dup2(idle_reader.fileno(), number)
            poller.add(number, handler(lambda: calls.append("new")))
            reused.append(number)

        return act

    both_orders(poller, first, second, make)
    poller.wait(0)
    assert calls == ["first"]
    idle_writer.send(b"y")
    poller.wait(0)
    assert calls == ["first", "new"]
    poller.remove(reused[0])
    os.close(reused[0])
    idle_reader.close()
    idle_writer.close()


def test_event_of_an_interest_that_was_changed_in_the_same_batch_is_dropped(poller, pairs):
    (first, _), (second, _) = pairs(), pairs()
    calls = []

    def make(own, other):
        def act():
            calls.append("first")
            poller.change(other.fileno(), handler(lambda: calls.append("changed")), WRITABLE)

        return act

    both_orders(poller, first, second, make)
    poller.wait(0)
    assert calls == ["first"]


def test_descriptor_that_another_process_keeps_open_does_not_make_the_poller_spin(poller, pairs):
    reader, _ = pairs()
    other_processes_copy = os.dup(reader.fileno())
    poller.add(reader.fileno(), handler(fail))
    number = reader.fileno()
    reader.close()  # without remove(): epoll goes on watching the open file
    poller.remove(number)
    poller.wait(0)
    assert select.select([poller._epoll], [], [], 0)[0] == []
    os.close(other_processes_copy)


# The guard ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        OSError(errno.EIO, "x"),
        MemoryError(),
        RecursionError("deep"),
        AssertionError(),
        ConnectionResetError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"),
        BaseExceptionGroup("several", [ValueError("x")]),
        GeneratorExit(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_exception_ends_its_owner_and_no_other(poller, pairs, error):
    (bad, _), (good, _) = pairs(), pairs()
    ended, served = [], []

    def act():
        raise error

    def end():
        ended.append(True)
        poller.remove(bad.fileno())

    poller.add(bad.fileno(), handler(act, end))
    poller.add(good.fileno(), handler(lambda: served.append(good.recv(1))))
    poller.wait(0)
    assert (ended, served) == ([True], [b"x"])
    assert poller.failures.counts[NAME] == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_is_not_contained(poller, pairs, kind):
    reader, _ = pairs()

    def act():
        raise kind

    poller.add(reader.fileno(), handler(act))
    with pytest.raises(kind):
        poller.wait(0)


@pytest.mark.parametrize("on_failure", [None, fail], ids=["no owner", "owner that cannot end"])
def test_handler_that_always_raises_is_paused_longer_each_time(poller, pairs, on_failure):
    reader, _ = pairs()
    poller.add(reader.fileno(), handler(fail, on_failure))
    poller.wait(0)
    assert poller.failures.counts[NAME] >= 1
    before = poller.failures.counts[NAME]
    poller.wait(0)  # paused: the level does not bring it back
    assert poller.failures.counts[NAME] == before
    turn_until(poller, lambda: poller.failures.counts[NAME] >= 4 * before)


def test_pause_ends_when_the_handler_is_changed(poller, pairs):
    reader, _ = pairs()
    received = []
    poller.add(reader.fileno(), handler(fail))
    poller.wait(0)
    poller.change(reader.fileno(), handler(lambda: received.append(reader.recv(1))), READABLE)
    poller.wait(0)
    assert received == [b"x"]


def test_pause_doubles_up_to_its_limit():
    delays = [retry_delay(count) for count in range(1, 40)]
    assert delays[:3] == [0.01, 0.02, 0.04]
    assert max(delays) == RETRY_LIMIT_SECONDS
    assert delays == sorted(delays)


def test_handler_that_works_again_is_no_longer_paused(poller, pairs):
    reader, _ = pairs()
    answers = iter([fail, fail, lambda: reader.recv(1)])
    received = []
    poller.add(reader.fileno(), handler(lambda: received.append(next(answers)())))
    turn_until(poller, lambda: received)
    assert received == [b"x"]
    assert poller.failures.counts[NAME] == 2


def test_alarm_without_an_owner_rings_again_until_it_succeeds(poller):
    calls = []

    def act():
        calls.append(True)
        if len(calls) < 3:
            fail()

    poller.call_later(0, handler(act))
    turn_until(poller, lambda: len(calls) == 3)
    poller.wait(0)
    assert len(calls) == 3


def test_alarm_of_an_owner_rings_once_and_ends_it(poller):
    ended = []
    poller.call_later(0, handler(fail, lambda: ended.append(True)))
    turn_until(poller, lambda: ended)
    poller.wait(0.05)
    assert (ended, poller.failures.counts[NAME]) == ([True], 1)


def test_alarm_that_was_cancelled_while_it_failed_does_not_ring_again(poller):
    def act():
        alarm.cancel()
        fail()

    alarm = poller.call_later(0, handler(act))
    turn_until(poller, lambda: poller.failures.total)
    poller.wait(0.05)
    assert poller.failures.total == 1


def test_child_that_returns_into_the_guard_ends(poller):
    forked = []

    def fork_and_fail():
        forked.append(os.fork())
        if forked == [0]:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            fail()

    poller.call(handler(fork_and_fail))
    _, status = os.waitpid(forked[0], 0)
    assert os.waitstatus_to_exitcode(status) == 1


# The epoll ---------------------------------------------------------------------------------------


def spoil_by_closing_the_number(epoll):
    os.close(epoll.fileno())


def spoil_by_closing_the_object(epoll):
    epoll.close()


@pytest.mark.parametrize("spoil", [spoil_by_closing_the_number, spoil_by_closing_the_object])
def test_epoll_that_was_closed_is_made_anew(poller, pairs, spoil):
    reader, _ = pairs()
    received = []
    poller.add(reader.fileno(), handler(lambda: received.append(reader.recv(1))))
    spoil(poller._epoll)
    turn_until(poller, lambda: received)
    assert received == [b"x"]
    assert poller.failures.counts[HandlerName.POLL] == 1


def test_epoll_whose_number_is_another_file_by_now_leaves_that_file_alone(poller, pairs):
    reader, _ = pairs()
    received = []
    poller.add(reader.fileno(), handler(lambda: received.append(reader.recv(1))))
    number = poller._epoll.fileno()
    with open(os.devnull, "rb") as other:
        os.dup2(other.fileno(), number)
    turn_until(poller, lambda: received)
    os.fstat(number)
    os.close(number)


def test_descriptor_that_the_new_epoll_refuses_ends_its_owner_only(poller, pairs):
    (gone, _), (good, _) = pairs(), pairs()
    ended, received = [], []

    def end():
        ended.append(True)
        poller.remove(gone_fd)

    gone_fd = gone.fileno()
    poller.add(gone_fd, handler(fail, end))
    poller.add(good.fileno(), handler(lambda: received.append(good.recv(1))))
    gone.close()
    poller._epoll.close()
    turn_until(poller, lambda: received)
    assert (ended, received) == ([True], [b"x"])


def test_descriptor_that_cannot_be_watched_changes_nothing(poller):
    with open(os.devnull, "rb") as file:
        with contextlib.suppress(PermissionError):
            poller.add(file.fileno(), handler(fail))
        poller.remove(file.fileno())
    assert poller.failures.total == 0


def test_descriptor_that_is_not_known_can_be_removed(poller):
    poller.remove(12345)
    poller.remove(-1)


# The log -----------------------------------------------------------------------------------------


def test_failures_are_logged_once_in_a_while_with_how_many_were_left_out(caplog, monkeypatch):
    noted = Failures()
    for _ in range(1000):
        noted.note(NAME, ValueError("one\n\x1b[2J"), "client 7")
    assert noted.counts[NAME] == 1000
    (record,) = caplog.records
    assert "the handler 'status connection' of client 7 failed: ValueError: one" in record.message
    assert record.message.isprintable()
    assert "ValueError" in record.user_traceback
    monkeypatch.setattr(failures, "LOG_SECONDS", 0.0)
    noted._quiet_until[NAME] = 0.0
    noted.note(NAME, ValueError("again"))
    assert "(999 more since the last line)" in caplog.records[-1].message


def test_traceback_of_a_deep_recursion_is_short(caplog):
    def dive(depth):
        return surface(depth)

    def surface(depth):
        return dive(depth + 1)

    noted = Failures()
    try:
        dive(0)
    except RecursionError as error:
        noted.note(NAME, error)
    assert len(caplog.records[0].user_traceback.splitlines()) < 100


def test_error_that_cannot_be_shown_is_counted(poller):
    class UnspeakableError(Exception):
        def __str__(self):
            raise RuntimeError

    def act():
        raise UnspeakableError

    assert not poller.call(handler(act))
    assert poller.failures.counts[NAME] == 1


def test_every_name_has_its_remedy():
    assert set(REMEDIES) == set(HandlerName)
