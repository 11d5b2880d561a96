"""Conversions between seconds and the nanoseconds of the loop's clock."""

import math
import time
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.probes.clock import now_ns, to_ns, to_seconds

# Half of what int64 holds, 146 years: the difference of two times fits as well.
NS_MAX = 2**62 - 1
DAY = 86400.0
# Up to 104 days a float tells nanoseconds apart: 2**53 of them.
EXACT_SECONDS = 100 * DAY


def test_clock_is_that_of_time_monotonic():
    before = time.monotonic_ns()
    now = now_ns()
    after = time.monotonic_ns()

    assert before <= now <= after


@pytest.mark.parametrize(
    ("seconds", "ns"),
    [
        (0.0, 0),
        (-0.0, 0),
        (1e-9, 1),
        (1e-10, 1),
        (5e-324, 1),
        (0.1, 100_000_000),
        (1.5, 1_500_000_000),
        (-1e-10, 0),
        (-1.5, -1_500_000_000),
    ],
)
def test_ns_from_seconds_rounds_up(seconds, ns):
    assert to_ns(seconds) == ns


@pytest.mark.parametrize(
    ("seconds", "ns"),
    [
        (math.inf, NS_MAX),
        (1e300, NS_MAX),
        (4.7e9, NS_MAX),
        (-math.inf, -NS_MAX),
        (-1e300, -NS_MAX),
        (-4.7e9, -NS_MAX),
        (math.nan, -NS_MAX),
    ],
)
def test_ns_from_seconds_saturates(seconds, ns):
    assert to_ns(seconds) == ns


@given(st.floats(0, EXACT_SECONDS))
@example(0.1)
@example(1 / 3)
def test_ns_from_seconds_is_at_most_a_rounding_from_exact(seconds):
    exact = Fraction(seconds) * 10**9

    assert -0.5 < to_ns(seconds) - exact < 1.5


@given(st.floats(0, 100 * 365 * DAY))
@example(54279.350643873004)
def test_clock_showing_a_deadline_is_early_by_no_more_than_a_float_rounds(seconds):
    assert to_seconds(to_ns(seconds)) >= seconds - math.ulp(seconds)


@given(st.floats(-9e9, 9e9), st.floats(-9e9, 9e9))
def test_ns_from_seconds_keeps_order(one, other):
    if one <= other:
        assert to_ns(one) <= to_ns(other)
