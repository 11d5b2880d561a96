"""FdWatching: callbacks that remove, replace or end themselves and others."""

import gc
import os
import socket
import sys
import weakref

import pytest

from tests.core.watching import connect
from tests.support.leaks import needs_block_count
from tests.support.loops import run_turns


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


@needs_block_count
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
