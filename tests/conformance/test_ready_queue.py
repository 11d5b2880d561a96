"""_ready of a loop: packages that turn it by themselves work on it as on a deque."""

import asyncio
from collections import deque

import pytest

from tests.support.turning import turn_by_parts


def test_the_queue_shows_what_is_ready(loop):
    handles = [loop.call_soon(print, number) for number in range(3)]

    assert list(loop._ready) == handles
    assert loop._ready[0] is handles[0]
    assert handles[1] in loop._ready
    assert len(loop._ready) == 3
    loop._ready.clear()
    assert not loop._ready
    assert len(loop._ready) == 0


def test_what_is_taken_out_may_be_put_back(loop):
    seen = []
    for number in range(4):
        loop.call_soon(seen.append, number)
    first, second = loop._ready.popleft(), loop._ready.popleft()
    loop._ready.append(first)
    loop._ready.appendleft(second)

    turn_by_parts(loop)

    assert seen == [1, 2, 3, 0]


def test_several_may_be_put_back_in_front(loop):
    seen = []
    for number in range(4):
        loop.call_soon(seen.append, number)
    taken = [loop._ready.popleft() for _ in range(3)]
    loop._ready.extendleft(reversed(taken))

    turn_by_parts(loop)

    assert seen == [0, 1, 2, 3]


def test_handles_of_the_program_may_be_put_in(loop):
    seen = []
    handles = [asyncio.Handle(seen.append, [number], loop) for number in range(3)]
    loop._ready.extend(handles[:2])
    loop._ready.appendleft(handles[2])
    handles[0].cancel()

    turn_by_parts(loop)

    assert seen == [2, 1]


def test_a_handle_that_was_taken_can_be_cancelled(loop):
    seen = []
    loop.call_soon(seen.append, "cancelled")
    handle = loop._ready.popleft()
    handle.cancel()
    assert handle._cancelled
    loop._ready.append(handle)
    loop.call_soon(seen.append, "next")

    turn_by_parts(loop)

    assert seen == ["next"]


def test_popleft_of_nothing_raises_index_error(loop):
    with pytest.raises(IndexError):
        loop._ready.popleft()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda queue: queue.rotate(1), [3, 0, 1, 2]),
        (lambda queue: queue.rotate(-1), [1, 2, 3, 0]),
        (lambda queue: queue.reverse(), [3, 2, 1, 0]),
        (lambda queue: queue.remove(queue[1]), [0, 2, 3]),
        (lambda queue: queue.insert(1, queue.pop()), [0, 3, 1, 2]),
        (lambda queue: queue.__delitem__(2), [0, 1, 3]),
        (lambda queue: queue.__iadd__([queue.popleft()]), [1, 2, 3, 0]),
    ],
    ids=["rotate", "rotate_back", "reverse", "remove", "insert_pop", "del", "iadd"],
)
def test_the_queue_changes_as_a_deque_does(loop, change, expected):
    seen = []
    for number in range(4):
        loop.call_soon(seen.append, number)

    change(loop._ready)
    turn_by_parts(loop)

    assert seen == expected


def test_a_failed_change_leaves_the_queue_as_it_was(loop):
    handles = [loop.call_soon(print, number) for number in range(3)]
    taken = loop._ready.popleft()

    with pytest.raises(ValueError, match="not in deque"):
        loop._ready.remove(taken)

    assert list(loop._ready) == handles[1:]
    loop._ready.clear()


def test_what_is_added_in_place_stands_behind_the_rest(loop):
    seen = []
    loop.call_soon(seen.append, 0)
    loop._ready += [asyncio.Handle(seen.append, [1], loop)]

    turn_by_parts(loop)

    assert seen == [0, 1]


def test_the_queue_answers_as_a_deque_does(loop):
    handles = [loop.call_soon(print, number) for number in range(3)]

    assert loop._ready == deque(handles)
    assert loop._ready.copy() == deque(handles)
    assert list(reversed(loop._ready)) == handles[::-1]
    assert loop._ready.index(handles[2]) == 2
    assert loop._ready.count(handles[0]) == 1
    loop._ready.clear()
    assert loop._ready == deque()


def test_a_handle_of_the_program_is_shown_and_taken_out_itself(loop):
    handles = [asyncio.Handle(print, [number], loop) for number in range(2)]
    loop._ready.extend(handles)

    assert list(loop._ready) == handles
    loop._ready.remove(handles[0])
    assert loop._ready.popleft() is handles[1]
    assert not loop._ready
