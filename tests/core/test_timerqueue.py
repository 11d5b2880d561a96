"""The timer queue: random operations against a sorted list, over all spans of time."""

import pytest

from tests.probes.timerqueue import Timers
from tests.support.randomness import printed_random

CAPACITY = 500
LIMIT = 2**62 - 1
US, MS, SECOND, HOUR = 1000, 10**6, 10**9, 3600 * 10**9
SPANS = {
    "ns": 100,
    "us": 300 * US,
    "ms": 50 * MS,
    "seconds": 90 * SECOND,
    "hours": 50 * HOUR,
    "ever": LIMIT - 10**18,
}


class SortedTimers:
    """What the queue must contain: key and order of insertion of every node, by its number."""

    def __init__(self) -> None:
        self.entries: dict[int, tuple[int, int]] = {}
        self.inserted_count = 0

    def insert(self, number: int, key: int) -> None:
        self.inserted_count += 1
        self.entries[number] = (key, self.inserted_count)

    def take_due(self, now: int) -> list[int]:
        due = [number for number, (key, _) in self.entries.items() if key <= now]
        due.sort(key=self.entries.__getitem__)
        for number in due:
            del self.entries[number]
        return due

    @property
    def first_key(self) -> int:
        return min(self.entries.values())[0]


def take_all(timers: Timers, now: int) -> list[int]:
    """Take every node that is due."""
    taken = []
    while (number := timers.take(now)) is not None:
        taken.append(number)
    return taken


@pytest.mark.parametrize("start", [0, 5 * HOUR, -(10**18), -LIMIT], ids=str)
@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
def test_random_operations_match_a_sorted_list(start, span):
    rng = printed_random()
    now = start
    timers, model = Timers(CAPACITY, now), SortedTimers()

    for _ in range(20_000):
        number = rng.randrange(CAPACITY)
        if timers.is_linked(number):
            timers.remove(number)
            del model.entries[number]
        else:
            # Some share a key, some lie in the past, as with a clock of the program's own.
            key = now + rng.choice([rng.randrange(span), rng.randrange(8) * (span // 8), -5])
            key = max(-LIMIT, min(key, LIMIT))
            timers.insert(number, key)
            model.insert(number, key)
        if rng.random() < 0.1:
            now = min(now + rng.randrange(span // 10), LIMIT)
            assert take_all(timers, now) == model.take_due(now)
        assert timers.count == len(model.entries)
        if model.entries:
            assert timers.next <= model.first_key

    assert take_all(timers, LIMIT) == model.take_due(LIMIT)


def test_clock_that_goes_back_keeps_the_order():
    timers = Timers(CAPACITY, 0)
    timers.insert(0, 10 * SECOND)
    assert timers.take(5 * SECOND) is None

    timers.insert(1, 3 * SECOND)
    timers.insert(2, 2 * SECOND)

    assert timers.take(1 * SECOND) is None
    assert take_all(timers, 20 * SECOND) == [2, 1, 0]


def test_next_is_exact_while_nothing_was_removed():
    rng = printed_random()
    timers = Timers(CAPACITY, 0)
    keys = [rng.randrange(10 ** rng.randrange(3, 17)) for _ in range(CAPACITY)]

    for number, key in enumerate(keys):
        timers.insert(number, key)
        assert timers.next == min(keys[: number + 1])


def test_removed_earliest_of_a_bucket_costs_one_more_look():
    timers = Timers(CAPACITY, 0)
    timers.insert(0, 100 * SECOND)
    timers.insert(1, 101 * SECOND)
    timers.remove(0)

    assert timers.next == 100 * SECOND
    assert timers.take(100 * SECOND) is None
    assert timers.next == 101 * SECOND


def test_far_timers_do_not_touch_the_tree():
    timers = Timers(CAPACITY, 0)

    for number in range(CAPACITY):
        timers.insert(number, (number + 1) * SECOND)

    assert timers.near_count == 0


def test_batch_that_is_over_goes_through_the_tree_in_parts():
    timers = Timers(CAPACITY, 0)
    for number in range(CAPACITY):
        timers.insert(number, number * 10 * US)

    largest = 0
    for expected in range(CAPACITY):
        assert timers.take(SECOND) == expected
        largest = max(largest, timers.near_count)

    assert largest < 10


@pytest.mark.parametrize("now", [SECOND, 100 * US], ids=["all due", "half due"])
def test_dense_batch_goes_through_the_tree_in_parts(now):
    timers = Timers(10_000, 0)
    order = sorted(range(10_000), key=lambda number: number * 7919 % 10_000)
    for number in range(10_000):
        timers.insert(number, number * 7919 % 10_000 * 20)

    largest = 0
    for expected in order[: now // 20 + 1]:
        assert timers.take(now) == expected
        largest = max(largest, timers.near_count)

    assert largest <= 4096 // 20 + 1


def test_few_timers_go_into_the_tree_at_once():
    timers = Timers(CAPACITY, 0)
    for number in range(16):
        timers.insert(number, 2**40 + number * MS)

    timers.take(2**41)

    assert timers.near_count == 15
