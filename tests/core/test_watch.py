"""FdWatching: what epoll holds for the users' fds, and when it is told."""

import asyncio
import contextlib
import gc
import os
import socket
import sys
import tempfile
import weakref

import pytest

from tests.probes.poller import ET, IN, OUT, PRI, RDHUP
from tests.support.randomness import printed_random
from tests.support.sockets import unix_pair
from tests.support.syscalls import calls_between_marks, needs_strace


def run_turns(loop, count: int) -> None:
    """Let the loop take `count` turns."""
    for _ in range(count):
        loop.call_soon(loop.stop)
        loop.run_forever()


@pytest.fixture
def pair():
    with unix_pair() as (ours, peer):
        yield ours, peer


# ---- what epoll holds, and when it is told


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


# ---- fds that were closed, and numbers that came back


def test_change_for_closed_fd_is_reported_and_the_loop_goes_on(loop, probe, reports):
    run_turns(loop, 1)
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        loop.add_reader(fd, print)
        loop.add_writer(fd, print)

    run_turns(loop, 2)

    (report,) = reports
    assert report["message"].startswith(f"fd {fd} is no longer watched: <Handle ")
    assert "Bad file descriptor" in str(report["exception"])
    assert probe.slot(fd) is None
    reports.clear()


def test_closed_fd_whose_number_the_signal_pipe_gets_is_forgotten(loop, probe):
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        loop.add_reader(fd, print)

    run_turns(loop, 1)  # the first run opens the pipe

    assert probe.slot(fd).kind == "internal"


def test_closed_fd_whose_number_a_transport_gets_is_forgotten(loop, probe):
    run_turns(loop, 1)
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        loop.add_reader(fd, pytest.fail, "a file that was closed got readable")
    with unix_pair() as (ours, peer):
        assert ours.fileno() == fd
        transport, protocol = connect(loop, ours)
        peer.send(b"x")

        run_turns(loop, 3)

        assert protocol.received == b"x"
        assert probe.slot(fd).kind == "transport"
        assert probe.slot(fd).interest == IN | PRI | RDHUP | ET
        transport.abort()
        run_turns(loop, 2)


class Receiving(asyncio.Protocol):
    """Keep what arrives."""

    def __init__(self) -> None:
        self.received = b""

    def data_received(self, data):
        self.received += data


def connect(loop, sock):
    return loop.run_until_complete(loop.create_connection(Receiving, sock=sock))


def test_fd_removed_and_given_to_a_transport_in_the_same_turn_is_the_transports(loop, pair):
    ours, peer = pair
    loop.add_reader(ours, pytest.fail, "removed")
    run_turns(loop, 1)
    loop.remove_reader(ours)

    transport, protocol = connect(loop, ours)
    peer.send(b"x")
    run_turns(loop, 3)

    assert protocol.received == b"x"
    transport.abort()
    run_turns(loop, 2)


def test_fd_of_a_transport_that_is_gone_can_be_watched(loop, probe):
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        transport, _ = connect(loop, ours)
        transport.abort()
        run_turns(loop, 2)
    with unix_pair() as (ours, peer):
        assert ours.fileno() == fd
        seen = []
        loop.add_reader(ours, lambda: seen.append(ours.recv(1)))
        peer.send(b"x")

        run_turns(loop, 1)

        assert seen == [b"x"]
        assert probe.slot(fd).interest == IN
        loop.remove_reader(ours)


@pytest.mark.parametrize("removed", [True, False], ids=["removed", "not_removed"])
@pytest.mark.parametrize("turn_between", [True, False], ids=["a_turn_later", "at_once"])
def test_reused_number_is_watched_as_the_new_file(loop, removed, turn_between):
    run_turns(loop, 1)
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        loop.add_reader(fd, pytest.fail, "a file that was closed got readable")
        if removed:
            loop.remove_reader(fd)
    if turn_between:
        run_turns(loop, 1)
    with unix_pair() as (ours, peer):
        assert ours.fileno() == fd
        seen = []
        loop.add_reader(ours, lambda: seen.append(ours.recv(1)))
        peer.send(b"x")

        run_turns(loop, 1)

        assert seen == [b"x"]
        loop.remove_reader(ours)


def test_reused_number_does_not_hear_of_a_duplicate_of_the_former_file(loop, pair):
    ours, peer = pair
    loop.add_reader(ours, print)
    with contextlib.closing(ours.dup()), unix_pair() as (new, _):
        peer.send(b"for the former file")
        os.dup2(new.fileno(), ours.fileno())
        loop.add_reader(ours, pytest.fail, "nothing came for the new file")

        run_turns(loop, 3)

    loop.remove_reader(ours)


def test_files_that_only_duplicates_keep_open_do_not_keep_the_loop_awake(loop):
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            ours, peer = stack.enter_context(unix_pair())
            fd = ours.fileno()
            loop.add_reader(fd, print)
            stack.enter_context(contextlib.closing(ours.dup()))
            ours.close()
            loop.remove_reader(fd)  # too late for epoll: nothing has this number
            peer.send(b"x")

        assert polls_while_idle(loop) <= 4


def test_listener_closed_behind_the_loop_keeps_nobody_from_a_new_epoll(loop, pair, reports):
    ours, peer = pair
    sock = socket.create_server(("127.0.0.1", 0))
    server = loop.run_until_complete(loop.create_server(Receiving, sock=sock))
    seen = []
    loop.add_reader(ours, lambda: seen.append(ours.recv(1)))
    os.close(sock.detach())
    peer.send(b"x")

    loop._forked()
    run_turns(loop, 2)

    assert seen == [b"x"]
    (report,) = reports
    assert report["message"] == "accept4() failed; the listener is closed"
    reports.clear()
    server.close()
    loop.remove_reader(ours)


def polls_while_idle(loop) -> int:
    """Return how often the loop looks for events while it waits for nothing but one timer."""
    before = loop.poll_count
    loop.call_later(0.02, loop.stop)
    loop.run_forever()
    return loop.poll_count - before


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


def test_number_that_becomes_a_regular_file_is_reported_and_forgotten(loop, probe, reports):
    run_turns(loop, 1)
    with unix_pair() as (ours, _), tempfile.TemporaryFile() as file:
        loop.add_reader(ours, print)
        loop.add_writer(ours, print)
        os.dup2(file.fileno(), ours.fileno())

        run_turns(loop, 1)

        assert probe.slot(ours.fileno()) is None
    (report,) = reports
    assert isinstance(report["exception"], PermissionError)
    reports.clear()


# ---- errors that come alone


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


# ---- callbacks


def test_reader_that_removes_the_writer_of_its_turn_keeps_it_from_running(loop, pair):
    ours, peer = pair
    loop.add_reader(ours, lambda: (ours.recv(1), loop.remove_writer(ours)))
    loop.add_writer(ours, pytest.fail, "removed")
    peer.send(b"x")

    run_turns(loop, 1)

    loop.remove_reader(ours)


def test_reader_that_replaces_itself_is_replaced_in_the_next_turn(loop, pair):
    ours, peer = pair
    seen = []

    def first():
        seen.append("first")
        loop.add_reader(ours, lambda: seen.append(ours.recv(1)))

    loop.add_reader(ours, first)
    peer.send(b"x")
    run_turns(loop, 2)

    assert seen == ["first", b"x"]
    loop.remove_reader(ours)


@pytest.mark.parametrize("use", ["remove_reader", "add_reader", "close"])
def test_callback_whose_end_uses_the_loop_while_it_is_replaced_is_survived(loop, pair, use):
    class Callback:
        def __call__(self):
            pass

        def __del__(self):
            getattr(loop, use)(*arguments[use])

    arguments = {"remove_reader": [pair[0]], "add_reader": [pair[0], int], "close": []}
    loop.add_reader(pair[0], Callback())

    loop.add_reader(pair[0], pytest.fail, "was removed or replaced")

    if use != "close":
        run_turns(loop, 1)
    loop.remove_reader(pair[0])


def test_handle_that_is_cancelled_instead_of_removed_is_watched_no_more(loop, probe, pair):
    ours, peer = pair
    peer.send(b"x")
    handle = loop._add_reader(ours, pytest.fail, "was cancelled")
    handle.cancel()

    run_turns(loop, 2)

    assert probe.slot(ours.fileno()) is None


def test_handle_that_cancels_itself_instead_of_being_removed_is_watched_no_more(loop, probe, pair):
    ours, peer = pair
    peer.send(b"x")
    seen = []
    handle = loop._add_reader(ours, lambda: (seen.append(1), handle.cancel()))

    run_turns(loop, 4)

    assert seen == [1]
    assert probe.slot(ours.fileno()) is None


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt])
def test_reader_that_ends_the_run_stays_and_runs_again(loop, pair, exception):
    def fail():
        raise exception

    ours, peer = pair
    loop.add_reader(ours, fail)
    peer.send(b"x")

    for _ in range(2):
        with pytest.raises(exception):
            loop.run_forever()

    loop.remove_reader(ours)


@pytest.mark.parametrize("end", ["removed", "replaced", "loop_closed", "fd_closed_and_reused"])
def test_callback_that_is_no_longer_needed_is_freed(loop, pair, end):
    class Callback:
        def __call__(self):
            pass

    ours, _ = pair
    callback = Callback()
    alive = weakref.ref(callback)
    loop.add_reader(ours, callback)
    loop.add_writer(ours, callback)
    del callback

    if end == "removed":
        loop.remove_reader(ours)
        loop.remove_writer(ours)
    elif end == "replaced":
        loop.add_reader(ours, int)
        loop.add_writer(ours, int)
    elif end == "loop_closed":
        loop.close()
    else:
        transport = forget_and_connect(loop, ours)
        transport.abort()
        run_turns(loop, 2)

    assert alive() is None


def forget_and_connect(loop, ours):
    """Put another file under the number of a watched one, and give it to a transport."""
    with socket.socket(fileno=os.dup(ours.fileno())) as duplicate:
        loop.remove_reader(ours)
        loop.remove_writer(ours)
        os.dup2(duplicate.fileno(), ours.fileno())
    return connect(loop, ours)[0]


def test_watching_over_and_over_leaves_no_growth(loop, probe, pair):
    def watch_all() -> None:
        for _ in range(500):
            loop.add_reader(pair[0], print)
            loop.add_writer(pair[0], print)
            loop.remove_reader(pair[0])
            loop.remove_writer(pair[0])
        run_turns(loop, 1)

    for _ in range(3):
        watch_all()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(5):
        watch_all()
    gc.collect()

    assert sys.getallocatedblocks() - before < 50
    assert probe.used_count == 0


# ---- everything at random


def test_random_changes_match_a_model(loop, probe):
    rng = printed_random()
    with contextlib.ExitStack() as stack:
        model = Model(loop, [stack.enter_context(unix_pair()) for _ in range(8)])
        stack.callback(model.close_kept)

        for _ in range(400):
            for _ in range(rng.randrange(4)):
                model.change(rng)
            model.seen.clear()
            run_turns(loop, 1)

            # every fd is writable, none is readable
            assert set(model.seen) == {fd for fd, mask in model.wanted.items() if mask & OUT}
            assert {fd: slot.interest for fd, slot in probe.slots().items()} == {
                fd: mask for fd, mask in model.wanted.items() if mask
            }
        for fd in model.wanted:
            model.remove(fd, reading=True)
            model.remove(fd, reading=False)
        assert polls_while_idle(loop) <= 4


class Model:
    """What is watched, by number of the file descriptor."""

    def __init__(self, loop, pairs) -> None:
        self.loop = loop
        self.peers = {ours.fileno(): peer for ours, peer in pairs}
        self.wanted = dict.fromkeys(self.peers, 0)
        self.seen: list[int] = []
        self.kept: list[int] = []  # duplicates of files whose numbers are others' by now

    def close_kept(self) -> None:
        for fd in self.kept:
            os.close(fd)

    def change(self, rng) -> None:
        """Add or remove one direction of one fd, or put another file under its number."""
        fd = rng.choice(list(self.wanted))
        reading = rng.random() < 0.5
        rng.choice([self.add, self.add, self.remove, self.remove, self.replace])(fd, reading)

    def add(self, fd: int, reading: bool) -> None:
        (self.loop.add_reader if reading else self.loop.add_writer)(fd, self.seen.append, fd)
        self.wanted[fd] |= IN if reading else OUT

    def remove(self, fd: int, reading: bool) -> None:
        mask = IN if reading else OUT
        removed = (self.loop.remove_reader if reading else self.loop.remove_writer)(fd)
        assert removed is bool(self.wanted[fd] & mask)
        self.wanted[fd] &= ~mask

    def replace(self, fd: int, reading: bool) -> None:
        """Add again what the fd was watched for, as the user of a new file does."""
        if reading:
            self.kept.append(os.dup(fd))
        with unix_pair() as (other, other_peer):
            os.dup2(other.fileno(), fd)
            os.dup2(other_peer.fileno(), self.peers[fd].fileno())
        for mask in (IN, OUT):
            if self.wanted[fd] & mask:
                self.add(fd, mask == IN)
