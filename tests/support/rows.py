"""Rows of a table: what must hold, and the names of the tests that would show it broken."""

import ast
from collections import Counter
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """A sentence, and the names of its tests."""

    sentence: str
    tests: tuple[str, ...]


def row(sentence: str, *tests: str) -> Row:
    """Return a row; the names of tests lack their test_."""
    return Row(sentence, tuple(f"test_{name}" for name in tests))


def names_of_tests(folder: Path) -> Counter[str]:
    """Return how many tests in a folder, and in those below it, have each name."""
    found: Counter[str] = Counter()
    for path in folder.rglob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[node.name] += 1
    return found
