"""Every trap has its tests; see tests.conformance.traps."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.traps import loop, surroundings, transports

COUNT = 86

TRAPS = {
    **loop.SCHEDULING,
    **loop.FD_WATCHING,
    **loop.SOCKET_METHODS,
    **transports.STREAMS,
    **transports.SERVERS,
    **transports.DATAGRAMS,
    **transports.TLS,
    **surroundings.PROCESSES,
}


@pytest.fixture(scope="module")
def names() -> Counter[str]:
    """Give how many tests of this folder have each name."""
    found: Counter[str] = Counter()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[node.name] += 1
    return found


def test_every_trap_is_listed():
    assert sorted(TRAPS) == list(range(1, COUNT + 1))


@pytest.mark.parametrize("number", sorted(TRAPS))
def test_the_tests_of_a_trap_exist(number, names):
    missing = [name for name in TRAPS[number].tests if not names[name]]

    assert TRAPS[number].tests
    assert not missing, f"{TRAPS[number].promise}: no test is called {missing}"
