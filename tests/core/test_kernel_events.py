"""Reactor: what becomes of the events that the kernel reports."""

import socket

import pytest

from tests.probes.poller import IN, OUT
from tests.support.loops import run_turns


def test_more_kernel_events_than_one_wait_takes_are_all_served(loop, probe):
    sockets = [each for _ in range(300) for each in socket.socketpair()]
    seen = set()
    for sock in sockets:
        loop.add_writer(sock, seen.add, sock)

    run_turns(loop, 3)  # 600 are ready, 512 fit

    assert len(seen) == 600
    assert probe.event_capacity == 1024
    for sock in sockets:
        loop.remove_writer(sock)
        sock.close()


def test_event_for_a_former_user_of_a_slot_is_dropped(loop, probe, pair):
    ours, _ = pair
    fd = ours.fileno()
    loop.add_reader(ours, print)
    stale_key = probe.slot(fd).key
    loop.remove_reader(ours)
    run_turns(loop, 1)
    loop.add_reader(ours, pytest.fail, "an event of the slot's former user ran")
    assert probe.slot(fd).index == stale_key & 0xFFFFFFFF

    probe.dispatch([(stale_key, IN | OUT)])

    assert probe.ready_count == 0
    assert not probe.slot(fd).read.ready
    loop.remove_reader(ours)


@pytest.mark.parametrize("key", [2**64 - 1, 64, 2**32 - 1], ids=hex)
def test_event_for_a_slot_that_never_was_is_dropped(loop, probe, key):
    probe.dispatch([(key, IN | OUT)])

    assert probe.ready_count == 0


def test_event_for_a_direction_nobody_waits_for_is_remembered_only(loop, probe, pair):
    ours, _ = pair
    loop.add_reader(ours, print)
    key = probe.slot(ours.fileno()).key

    probe.dispatch([(key, OUT)])

    slot = probe.slot(ours.fileno())
    assert slot.write.ready
    assert not slot.write.posted
    assert probe.ready_count == 0
    loop.remove_reader(ours)


def test_event_reported_twice_is_posted_once(loop, probe, pair):
    ours, _ = pair
    loop.add_reader(ours, print)
    key = probe.slot(ours.fileno()).key

    probe.dispatch([(key, IN), (key, IN)])

    assert probe.ready_count == 1
    loop.remove_reader(ours)


# ---- debug mode
