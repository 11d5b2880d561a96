"""FdWatching: what epoll holds for the users' fds, and when it is told."""

import contextlib
import os
import tempfile

import pytest

from tests.probes.poller import IN, OUT
from tests.support.loops import run_turns
from tests.support.syscalls import calls_between_marks, needs_strace


def test_first_add_is_told_to_epoll_at_once(loop, probe, pair):
    loop.add_reader(pair[0], print)

    assert probe.slot(pair[0].fileno()).interest == IN
    loop.remove_reader(pair[0])


def test_later_changes_are_told_before_the_next_wait(loop, probe, pair):
    fd = pair[0].fileno()
    loop.add_reader(fd, print)

    loop.add_writer(fd, list)
    before = (probe.slot(fd).interest, probe.slot(fd).changed)
    run_turns(loop, 1)

    assert before == (IN, True)
    assert (probe.slot(fd).interest, probe.slot(fd).changed) == (IN | OUT, False)
    loop.remove_reader(fd)
    loop.remove_writer(fd)


def test_slot_is_given_back_before_the_next_wait_once_nobody_watches(loop, probe, pair):
    loop.add_reader(pair[0], print)
    loop.remove_reader(pair[0])
    before = probe.used_count

    run_turns(loop, 1)

    assert (before, probe.used_count) == (1, 0)


def test_one_direction_removed_keeps_the_other(loop, probe, pair):
    ours, peer = pair
    seen = []
    loop.add_reader(ours, lambda: seen.append(ours.recv(10)))
    loop.add_writer(ours, pytest.fail, "removed")
    loop.remove_writer(ours)
    peer.send(b"x")

    run_turns(loop, 1)

    assert seen == [b"x"]
    assert probe.slot(ours.fileno()).interest == IN
    loop.remove_reader(ours)


LAZY_CHANGES = """
    import os, socket
    from ngxloop import EventLoop

    loop = EventLoop()
    ours, peer = socket.socketpair()
    other, other_peer = socket.socketpair()

    def run_turn():
        loop.call_soon(loop.stop)
        loop.run_forever()

    loop.add_reader(other, print)
    {before}
    run_turn()
    os.getppid()
    for _ in range(10):
        {change}
        run_turn()
    os.getppid()
    loop.close()
"""


@needs_strace
@pytest.mark.parametrize(
    ("before", "change", "count"),
    [
        ("pass", "run_turn()", 0),
        ("loop.add_reader(ours, print)", "loop.add_writer(ours, int); loop.remove_writer(ours)", 0),
        (
            "loop.add_reader(ours, print)",
            "loop.remove_reader(ours); loop.add_reader(ours, int)",
            10,
        ),
        ("loop.add_reader(ours, print)", "loop.add_writer(ours, int)", 10),
        ("loop.add_writer(ours, int)", "loop.remove_writer(ours); loop.add_writer(ours, int)", 10),
        ("pass", "loop.add_reader(ours, print); loop.remove_reader(ours)", 20),
    ],
    ids=[
        "nothing_changed",
        "writer_added_and_removed",
        "reader_replaced_is_verified",
        "writer_added_is_verified",
        "writer_replaced_is_verified",
        "fd_unknown_before_and_after",
    ],
)
def test_epoll_is_told_only_what_has_changed(before, change, count):
    calls = calls_between_marks(LAZY_CHANGES.format(before=before, change=change), "epoll_ctl")

    assert calls["epoll_ctl"] == count


def test_fd_that_epoll_refuses_leaves_no_slot(loop, probe):
    with tempfile.TemporaryFile() as file:
        for add in (loop.add_reader, loop.add_writer, loop.add_reader):
            with pytest.raises(PermissionError):
                add(file, print)

        assert probe.used_count == 0
        assert loop.remove_reader(file) is False


@pytest.mark.parametrize("fd", [5000, 10**9, 2**31 - 1])
def test_number_of_no_file_is_refused_however_large(loop, probe, fd):
    for add in (loop.add_reader, loop.add_writer):
        with pytest.raises(OSError, match="Bad file descriptor"):
            add(fd, print)

    assert loop.remove_reader(fd) is False
    assert probe.used_count == 0


@pytest.mark.parametrize("fd", [2**31, 2**64, -1, -(2**31) - 1])
def test_number_that_can_be_no_file_is_refused(loop, fd):
    with pytest.raises((ValueError, OverflowError)):
        loop.add_reader(fd, print)


def test_writer_of_a_full_pipe_is_called_when_the_reader_closes(loop):
    reading, writing = os.pipe2(os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, bytes(65536))
    seen = []
    loop.add_writer(writing, seen.append, "writable")
    run_turns(loop, 1)

    os.close(reading)  # the kernel reports an error, and no room
    run_turns(loop, 1)

    assert seen == ["writable"]
    loop.remove_writer(writing)
    os.close(writing)


def test_reader_of_an_empty_pipe_is_called_when_the_writer_closes(loop):
    reading, writing = os.pipe2(os.O_NONBLOCK)
    seen = []
    loop.add_reader(reading, seen.append, "readable")
    run_turns(loop, 1)

    os.close(writing)  # the kernel reports a hang-up, and no data
    run_turns(loop, 1)

    assert seen == ["readable"]
    loop.remove_reader(reading)
    os.close(reading)
