"""The red-black tree: random operations against a sorted list."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.probes.rbtree import Tree
from tests.support.randomness import printed_random

CAPACITY = 1000
OPERATIONS = 100_000
INT64_MAX = 2**63 - 1


class SortedNodes:
    """What a tree must contain: key and order of insertion of every node, by its number."""

    def __init__(self) -> None:
        self.entries: dict[int, tuple[int, int]] = {}
        self.inserted = 0

    def insert(self, number: int, key: int) -> None:
        self.inserted += 1
        self.entries[number] = (key, self.inserted)

    def remove(self, number: int) -> None:
        del self.entries[number]

    def numbers(self) -> list[int]:
        return sorted(self.entries, key=self.entries.__getitem__)


def toggle(tree: Tree, model: SortedNodes, number: int, key: int) -> None:
    """Insert a node that is out of the tree, remove one that is in it."""
    if tree.is_linked(number):
        tree.remove(number)
        model.remove(number)
    else:
        tree.insert(number, key)
        model.insert(number, key)


def assert_same(tree: Tree, model: SortedNodes) -> None:
    expected = model.numbers()
    assert tree.numbers() == expected
    assert tree.count == len(expected)
    assert tree.first == (expected[0] if expected else None)
    assert tree.last == (expected[-1] if expected else None)
    assert tree.check() <= 2 + math.log2(len(expected) + 1)


def take_all(tree: Tree) -> list[int]:
    """Remove the first node until none is left; return the numbers in that order."""
    taken = []
    while tree.first is not None:
        taken.append(tree.first)
        tree.remove(tree.first)
    return taken


def test_tree_empty_has_no_first_node():
    tree = Tree(1)

    assert_same(tree, SortedNodes())


@pytest.mark.parametrize("key_count", [1, 10, 10**6], ids=lambda n: f"{n}_different_keys")
def test_tree_random_operations_match_sorted_list(key_count):
    rng = printed_random()
    tree, model = Tree(CAPACITY), SortedNodes()

    for step in range(OPERATIONS):
        toggle(tree, model, rng.randrange(CAPACITY), rng.randrange(key_count))
        if step % 500 == 0:
            assert_same(tree, model)

    assert_same(tree, model)


def test_tree_random_operations_keep_all_rules_after_each():
    rng = printed_random()
    tree, model = Tree(40), SortedNodes()

    for _ in range(10_000):
        toggle(tree, model, rng.randrange(40), rng.randrange(20))
        assert_same(tree, model)


@given(st.lists(st.tuples(st.integers(0, 15), st.integers(-INT64_MAX, INT64_MAX))))
def test_tree_any_operations_match_sorted_list(operations):
    tree, model = Tree(16), SortedNodes()

    for number, key in operations:
        toggle(tree, model, number, key)

    assert_same(tree, model)


def test_tree_equal_keys_leave_in_order_of_insertion():
    tree = Tree(100)
    order = printed_random().sample(range(100), 100)
    for number in order:
        tree.insert(number, 7)

    assert take_all(tree) == order


@pytest.mark.parametrize("direction", [1, -1], ids=["ascending", "descending"])
def test_tree_sorted_input_stays_balanced(direction):
    tree = Tree(CAPACITY)

    for number in range(CAPACITY):
        tree.insert(number, number * direction)

    assert tree.check() <= 1 + math.log2(CAPACITY + 1)


def test_tree_first_taken_until_empty_is_always_the_smallest():
    rng = printed_random()
    keys = [rng.randrange(100) for _ in range(CAPACITY)]
    tree = Tree(CAPACITY)
    for number, key in enumerate(keys):
        tree.insert(number, key)

    taken = take_all(tree)

    assert [keys[number] for number in taken] == sorted(keys)
    assert_same(tree, SortedNodes())
