"""The conversions of the loop's clock."""

from ngxloop.core cimport clock


def clock_ns():
    return clock.clock_ns()


def ns_from_seconds(double seconds):
    return clock.ns_from_seconds(seconds)


def seconds_from_ns(ns):
    return clock.seconds_from_ns(ns)
