"""A trap: a promise of asyncio's that is easily broken."""

from typing import NamedTuple


class Trap(NamedTuple):
    """A promise, and the names of the tests that would show it broken."""

    promise: str
    tests: tuple[str, ...]


def trap(promise: str, *tests: str) -> Trap:
    """Return a trap; the names of tests lack their test_."""
    return Trap(promise, tuple(f"test_{name}" for name in tests))
