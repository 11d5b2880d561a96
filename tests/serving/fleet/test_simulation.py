"""Random schedules keep the promises of the machine, and find mistakes in it."""

import pytest

from tests.serving.fleet.mutants import MUTANTS, mutated_machine
from tests.serving.fleet.simulation import simulate


def test_random_schedules_break_nothing():
    assert simulate(50_000, 1) >= 50_000


@pytest.mark.parametrize("name", MUTANTS)
def test_mistake_in_the_machine_is_found(name):
    with (
        mutated_machine(name) as simulation,
        pytest.raises((AssertionError, AttributeError, ValueError)),
    ):
        simulation.simulate(300_000, 1)
