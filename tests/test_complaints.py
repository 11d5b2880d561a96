"""Every complaint about event loops has its tests; see tests.complaints."""

from pathlib import Path

import pytest

from tests.complaints import connections, surroundings
from tests.support.rows import names_of_tests

COUNT = 35

COMPLAINTS = {**connections.COMPLAINTS, **surroundings.COMPLAINTS}


@pytest.fixture(scope="module")
def names():
    """Give how many tests of the project have each name."""
    return names_of_tests(Path(__file__).parent)


def test_every_complaint_is_listed():
    assert sorted(COMPLAINTS) == list(range(1, COUNT + 1))
    assert not connections.COMPLAINTS.keys() & surroundings.COMPLAINTS.keys()


@pytest.mark.parametrize("number", sorted(COMPLAINTS))
def test_the_tests_of_a_complaint_exist(number, names):
    missing = [name for name in COMPLAINTS[number].tests if not names[name]]

    assert COMPLAINTS[number].tests
    assert not missing, f"{COMPLAINTS[number].sentence}: no test is called {missing}"
