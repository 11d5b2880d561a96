"""Every row of the table of complaints is answered by a test."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.complaints import COMPLAINTS

TESTS = Path(__file__).parents[1]


def marked() -> Iterator[int]:
    """Yield the numbers that stand in marks: `@pytest.mark.complaint(6)`."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr="complaint"), args=[ast.Constant(number)]):
                    yield number


ANSWERED = set(marked())


@pytest.mark.parametrize("number", COMPLAINTS, ids=str)
def test_complaint_has_an_answer(number):
    assert number in ANSWERED, COMPLAINTS[number]
