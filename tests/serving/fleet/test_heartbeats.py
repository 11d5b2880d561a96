"""Heartbeats: whose loop has not turned for how long, as a master sees it."""

import random

import pytest

from ngxloop.serving.fleet.heartbeats import Heartbeats, can_answer


def test_silence_is_the_time_between_looks_that_found_the_same_count():
    beats = Heartbeats(0.0, 2.0)
    for now, count in ((1.0, 1), (2.0, 2), (3.0, 3), (4.5, 3)):
        beats.look(now, {7: 100, 8: count})
    assert beats.silence(7) == 3.5
    assert beats.silence(8) == 1.5


def test_turn_ends_the_silence():
    beats = Heartbeats(0.0, 2.0)
    beats.look(1.0, {7: 100})
    beats.look(2.0, {7: 100})
    beats.look(3.0, {7: 101})
    assert beats.silence(7) == 0.0


@pytest.mark.parametrize("count", [0, 99, 2**64 - 1])
def test_any_other_count_is_a_turn(count):
    beats = Heartbeats(0.0, 2.0)
    beats.look(1.0, {7: 100})
    beats.look(2.0, {7: count})
    assert beats.silence(7) == 0.0


def test_gap_in_the_observers_own_looks_counts_for_one_step():
    beats = Heartbeats(0.0, 2.0)
    beats.look(1.0, {7: 100})
    beats.look(3600.0, {7: 100})
    assert beats.silence(7) == 2.0


def test_clock_that_goes_back_adds_nothing():
    beats = Heartbeats(10.0, 2.0)
    beats.look(11.0, {7: 100})
    beats.look(5.0, {7: 100})
    assert beats.silence(7) == 0.0


def test_unknown_and_forgotten_workers_are_not_silent():
    beats = Heartbeats(0.0, 2.0)
    beats.look(1.0, {7: 100})
    beats.look(2.0, {7: 100})
    beats.look(3.0, {})
    assert beats.silence(7) == beats.silence(9) == 0.0
    beats.look(4.0, {7: 100})
    assert beats.silence(7) == 0.0


def test_silence_never_exceeds_the_time_since_the_last_turn():
    rng = random.Random(5)
    for _ in range(200):
        beats, now, turned_at, turns = Heartbeats(0.0, 2.0), 0.0, 0.0, 0
        for _ in range(50):
            now += rng.choice([0.1, 1.0, 5.0, 100.0])
            if rng.random() < 0.2:
                turns, turned_at = turns + 1, now
            beats.look(now, {1: turns})
            assert beats.silence(1) <= now - turned_at + 1e-6


@pytest.mark.parametrize(
    ("silence", "is_waiting", "timeout", "expected"),
    [
        (0.0, True, 60.0, True),
        (29.0, True, 60.0, True),  # its heartbeat may come later
        (31.0, True, 60.0, False),
        (4.0, False, 60.0, True),
        (6.0, False, 60.0, False),
        (1.1, False, 2.0, False),
        (1e6, True, 0.0, True),  # there are no heartbeats
        (6.0, False, 0.0, False),
    ],
)
def test_worker_can_answer_unless_it_is_silent_for_too_long(silence, is_waiting, timeout, expected):
    found = can_answer(silence, is_waiting=is_waiting, timeout=timeout, patience=5.0)
    assert found is expected
