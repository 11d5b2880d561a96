"""The conversions of the loop's clock."""

from ngxloop.core.clock cimport clock_ns, ns_from_seconds, seconds_from_ns


def now_ns():
    return clock_ns()


def to_ns(double seconds):
    return ns_from_seconds(seconds)


def to_seconds(ns):
    return seconds_from_ns(ns)
