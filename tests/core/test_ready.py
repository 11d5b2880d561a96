"""Event queues: order, removal from the middle, moving one in front of another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.probes.ready import Queues

CAPACITY = 8


def posted(queue: int, *numbers: int, queues: Queues | None = None) -> Queues:
    """Return queues in which the events `numbers` stand in `queue`."""
    queues = queues or Queues(CAPACITY)
    for number in numbers:
        queues.post(queue, number)
    return queues


def test_queue_new_is_empty():
    queues = Queues(CAPACITY)

    assert queues.is_empty(0)
    assert queues.numbers(0) == []


def test_event_post_appends_and_sets_posted():
    queues = posted(0, 3, 1, 2)

    assert queues.numbers(0) == [3, 1, 2]
    assert [queues.is_posted(number) for number in range(4)] == [False, True, True, True]


def test_queue_take_returns_first_and_clears_posted():
    queues = posted(0, 3, 1)

    taken = queues.take(0)

    assert taken == 3
    assert not queues.is_posted(3)
    assert queues.numbers(0) == [1]


@pytest.mark.parametrize("number", [1, 2, 3], ids=["first", "middle", "last"])
def test_event_unpost_leaves_the_others_in_order(number):
    queues = posted(0, 1, 2, 3)

    queues.unpost(number)

    assert queues.numbers(0) == [other for other in (1, 2, 3) if other != number]
    assert not queues.is_posted(number)


def test_event_posted_again_after_take_stands_last():
    queues = posted(0, 1, 2)

    queues.post(0, queues.take(0))

    assert queues.numbers(0) == [2, 1]


@pytest.mark.parametrize(
    ("source", "target"),
    [((1, 2), (3, 4)), ((1, 2), ()), ((), (3, 4)), ((), ()), ((1,), (3,))],
    ids=["both_filled", "target_empty", "source_empty", "both_empty", "one_each"],
)
def test_queue_move_puts_source_in_front_of_target(source, target):
    queues = posted(0, *source)
    posted(1, *target, queues=queues)

    queues.move(0, 1)

    assert queues.is_empty(0)
    assert queues.numbers(1) == [*source, *target]


def test_queue_emptied_by_move_can_be_used_again():
    queues = posted(0, 1, 2)
    queues.move(0, 1)

    queues.post(0, 3)

    assert queues.numbers(0) == [3]
    assert queues.numbers(1) == [1, 2]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-1, CAPACITY - 1))))
def test_queues_any_operations_match_lists(operations):
    queues, model = Queues(CAPACITY), [[], []]

    for queue, number in operations:  # number -1: move everything to the other queue
        if number < 0:
            queues.move(queue, 1 - queue)
            model[1 - queue][:0] = model[queue]
            model[queue].clear()
        elif queues.is_posted(number):
            queues.unpost(number)
            (model[0] if number in model[0] else model[1]).remove(number)
        else:
            queues.post(queue, number)
            model[queue].append(number)

    assert [queues.numbers(0), queues.numbers(1)] == model
