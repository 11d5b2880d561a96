"""ConnectionPool: slots, generations, the table of fds, reusable and changed slots."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.probes.pool import Pool
from tests.support.randomness import printed_random

CHUNK = 64


class Owner:
    """Something a slot belongs to."""


def filled(count: int) -> tuple[Pool, list[int]]:
    """Return a pool of `count` used slots, fds 0 and up, and the slots' indices."""
    pool = Pool()
    return pool, [pool.get(fd, Owner()) for fd in range(count)]


def test_pool_new_is_empty_and_allocates_nothing():
    pool = Pool()

    assert (pool.used_count, pool.free_count, pool.chunk_count, pool.fd_table_size) == (0, 0, 0, 0)
    assert pool.least_recently_used() is None


def test_slot_gets_lowest_index_first():
    _, slots = filled(3)

    assert slots == [0, 1, 2]


def test_slot_freed_last_is_used_first():
    pool, _ = filled(4)
    for index in (1, 3, 0):
        pool.free(index)

    assert [pool.get(fd, Owner()) for fd in (0, 1, 3)] == [0, 3, 1]


@pytest.mark.parametrize("count", [CHUNK, CHUNK + 1, 10 * CHUNK], ids=lambda n: f"{n}_slots")
def test_pool_grows_by_chunks_and_slots_stay_where_they_are(count):
    pool, slots = filled(1)
    address = pool.address(slots[0])

    more = [pool.get(fd, Owner()) for fd in range(1, count)]

    assert sorted(slots + more) == list(range(count))
    assert pool.chunk_count == -(-count // CHUNK)
    assert pool.free_count == pool.chunk_count * CHUNK - count
    assert pool.address(0) == address


def test_pool_counts_used_free_and_high_water():
    pool, slots = filled(10)

    for index in slots[:4]:
        pool.free(index)

    assert (pool.used_count, pool.used_count_max, pool.free_count) == (6, 10, CHUNK - 6)


def test_slot_keeps_its_owner_until_freed():
    pool, owner = Pool(), Owner()
    before = sys.getrefcount(owner)

    index = pool.get(3, owner)
    while_used = sys.getrefcount(owner)
    pool.free(index)

    assert (while_used, sys.getrefcount(owner)) == (before + 1, before)


def test_slot_reused_is_clean():
    pool, (index,) = filled(1)
    fresh = pool.state(index)
    pool.dirty(index)
    pool.post(index)
    pool.mark_changed(index)
    pool.set_reusable(index, True)
    assert not any(was == now for was, now in zip(fresh, pool.state(index), strict=True))

    pool.free(index)
    pool.get(0, Owner())

    assert pool.state(index) == fresh


def test_slot_freed_takes_its_events_out_of_their_queue():
    pool, slots = filled(3)
    for index in slots:
        pool.post(index)

    for index in slots:
        pool.free(index)

    assert pool.is_queue_empty()


def test_find_with_key_of_present_user_returns_slot():
    pool, slots = filled(3)

    assert [pool.find(pool.key(index)) for index in slots] == slots


def test_find_with_key_of_former_user_returns_nothing():
    pool, (index,) = filled(1)
    stale = []

    for _ in range(5):
        stale.append(pool.key(index))
        pool.free(index)
        pool.get(0, Owner())

    assert [pool.find(key) for key in stale] == [None] * 5
    assert pool.find(pool.key(index)) == index


def test_find_with_key_of_a_slot_that_was_never_used_returns_nothing():
    pool, (index,) = filled(1)
    key = pool.key(index)

    assert [pool.find(key + i) for i in range(1, 2 * CHUNK)] == [None] * (2 * CHUNK - 1)


def test_find_with_key_of_free_slot_returns_nothing():
    pool, (index,) = filled(1)
    stale = pool.key(index)
    pool.free(index)

    assert pool.find(stale) is None
    assert pool.find(pool.key(index)) is None  # the key its next user will have


@pytest.mark.parametrize("key", [CHUNK, 2**32 - 1, 2**64 - 1], ids=hex)
def test_find_with_index_beyond_the_pool_returns_nothing(key):
    pool, _ = filled(1)

    assert pool.find(key) is None


@pytest.mark.parametrize("fd", [0, 63, 64, 5000])
def test_fd_table_leads_to_the_slot_of_an_fd(fd):
    pool = Pool()

    index = pool.get(fd, Owner())

    assert pool.index_of_fd(fd) == index
    assert fd < pool.fd_table_size
    pool.free(index)
    assert pool.index_of_fd(fd) is None


def test_fd_table_growing_keeps_entries():
    pool, slots = filled(3)

    pool.get(5000, Owner())

    assert [pool.index_of_fd(fd) for fd in range(3)] == slots
    assert pool.index_of_fd(4999) is None


@pytest.mark.parametrize("fd", [-1, -(2**31), 2**31 - 1], ids=["-1", "min", "max"])
def test_fd_table_for_fd_outside_of_it_has_nothing(fd):
    pool, _ = filled(1)

    assert pool.index_of_fd(fd) is None


def test_fd_with_a_slot_cannot_get_another():
    pool, _ = filled(1)

    with pytest.raises(RuntimeError, match=r"^File descriptor 0 is in use$"):
        pool.get(0, Owner())


@pytest.mark.parametrize("fd", [-1, -(2**31)])
def test_negative_number_gets_no_slot(fd):
    pool = Pool()

    with pytest.raises(ValueError, match=f"^Invalid file descriptor: {fd}$"):
        pool.get(fd, Owner())

    assert (pool.used_count, pool.fd_table_size) == (0, 0)


def test_reusable_slots_stand_in_order_of_last_use():
    pool, _ = filled(4)

    for index in (2, 0, 3, 2):  # 2 is used again
        pool.set_reusable(index, True)

    assert pool.reusable_slots() == [0, 3, 2]
    assert pool.reusable_count == 3
    assert pool.least_recently_used() == 0


@pytest.mark.parametrize("index", [0, 1, 2], ids=["oldest", "middle", "newest"])
@pytest.mark.parametrize("leave", ["not_reusable", "freed"])
def test_reusable_slot_that_leaves_keeps_the_others_in_order(index, leave):
    pool, slots = filled(3)
    for each in slots:
        pool.set_reusable(each, True)

    if leave == "freed":
        pool.free(index)
    else:
        pool.set_reusable(index, False)

    assert pool.reusable_slots() == [each for each in slots if each != index]
    assert pool.reusable_count == 2


def test_changed_slot_is_marked_once():
    pool, _ = filled(2)

    for index in (0, 1, 0):
        pool.mark_changed(index)

    assert pool.changed_slots() == [1, 0]


@pytest.mark.parametrize("index", [0, 1, 2], ids=["first_marked", "middle", "last_marked"])
def test_changed_slot_that_is_freed_leaves_the_list(index):
    pool, slots = filled(3)
    for each in slots:
        pool.mark_changed(each)

    pool.free(index)

    assert pool.changed_slots() == [each for each in (2, 1, 0) if each != index]
    assert pool.free_slots()[0] == index


@given(
    st.lists(st.tuples(st.sampled_from(["free", "changed", "reusable", "idle"]), st.integers(0, 9)))
)
def test_pool_any_operations_match_a_model(operations):
    pool = Pool()
    slot_of_fd: dict[int, int] = {}
    changed: list[int] = []
    reusable: list[int] = []

    for action, fd in operations:
        slot = slot_of_fd.get(fd)
        if slot is None:
            slot_of_fd[fd] = pool.get(fd, Owner())
        elif action == "free":
            pool.free(slot)
            del slot_of_fd[fd]
            changed = [each for each in changed if each != slot]
            reusable = [each for each in reusable if each != slot]
        elif action == "changed":
            pool.mark_changed(slot)
            changed = changed if slot in changed else [slot, *changed]
        else:
            pool.set_reusable(slot, action == "reusable")
            reusable = [each for each in reusable if each != slot]
            reusable += [slot] if action == "reusable" else []

    assert {fd: pool.index_of_fd(fd) for fd in range(10)} == {
        fd: slot_of_fd.get(fd) for fd in range(10)
    }
    assert (pool.changed_slots(), pool.reusable_slots()) == (changed, reusable)
    assert pool.used_count == len(slot_of_fd)
    assert len(pool.free_slots()) == pool.free_count


def test_pool_under_churn_finds_exactly_the_present_users():
    rng = printed_random()
    pool = Pool()
    keys: dict[int, int] = {}
    stale: list[int] = []

    for _ in range(20_000):
        fd = rng.randrange(200)
        if fd in keys:
            pool.free(pool.index_of_fd(fd))
            stale.append(keys.pop(fd))
        else:
            keys[fd] = pool.key(pool.get(fd, Owner()))

    assert all(pool.find(key) == pool.index_of_fd(fd) for fd, key in keys.items())
    assert all(pool.find(key) is None for key in stale)
    assert len(set(stale)) == len(stale)
