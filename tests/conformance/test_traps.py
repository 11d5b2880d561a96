"""Every trap has its tests; see tests.conformance.traps."""

from pathlib import Path

import pytest

from tests.conformance.traps import loop, surroundings, transports
from tests.support.rows import names_of_tests

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
def names():
    """Give how many tests of this folder have each name."""
    return names_of_tests(Path(__file__).parent)


def test_every_trap_is_listed():
    assert sorted(TRAPS) == list(range(1, COUNT + 1))


@pytest.mark.parametrize("number", sorted(TRAPS))
def test_the_tests_of_a_trap_exist(number, names):
    missing = [name for name in TRAPS[number].tests if not names[name]]

    assert TRAPS[number].tests
    assert not missing, f"{TRAPS[number].sentence}: no test is called {missing}"
