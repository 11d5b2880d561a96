"""The status in full: the master's report, and what scoreboard and kernel know of its workers."""

import time
from collections.abc import Mapping
from typing import Any

from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.fleet.observer import resident_bytes

_COUNTERS = (
    *("accepted", "requests", "missed", "left", "pauses"),
    *("received_bytes", "sent_bytes"),
)
_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


def add_metrics(report: Mapping[str, Any], board: Scoreboard) -> dict[str, Any]:
    """Return the snapshot that a report is the begin of.

    Args:
        report: From Status.report().
        board: What the workers tell of themselves.
    """
    now = time.monotonic()
    workers = [_worker(one, board, now) for one in report["workers"]]
    snapshot = {**report, "uptime": round(now - report["started_at"], 3), "workers": workers}
    del snapshot["started_at"]
    return {**snapshot, "totals": _totals(board)}


def _worker(report: Mapping[str, Any], board: Scoreboard, now: float) -> dict[str, Any]:
    told = dict(report)
    started_at = told.pop("started_at", None)
    if started_at is None:  # there is no process
        return told
    values = board.read(told["slot"])
    beat = values["beat_ns"] / 1e9
    is_busy = beat and not values["waiting"]
    return told | {
        "age": round(now - started_at, 3),
        "connections": values["active"],
        "accepted": values["accepted"],
        "requests": values["requests"],
        # None: its server does not count them
        "in_flight": values["in_flight"] if values["counts_answers"] else None,
        "answers": _answers(values) if values["counts_answers"] else None,
        "received_bytes": values["received_bytes"],
        "sent_bytes": values["sent_bytes"],
        "gated": values["gated"],
        # for how long the present turn of its loop has lasted
        "lag": round(max(0.0, now - beat), 3) if is_busy else 0.0,
        "rss": resident_bytes(told["pid"]),
    }


def _answers(values: Mapping[str, Any]) -> dict[str, int]:
    return {name: values[f"answers_{name}"] for name in _CLASSES}


def _totals(board: Scoreboard) -> dict[str, Any]:
    """Return the sums over all slots: counters go on when a slot has another worker."""
    slots: list[Any] = [board.read(slot) for slot in range(board.slot_count)]
    totals = {name: sum(slot[name] for slot in slots) for name in _COUNTERS}
    answers = {name: sum(_answers(slot)[name] for slot in slots) for name in _CLASSES}
    is_counted = any(slot["counts_answers"] for slot in slots) or any(answers.values())
    return {
        "connections": sum(slot["active"] for slot in slots),
        **totals,
        "in_flight": sum(slot["in_flight"] for slot in slots) if is_counted else None,
        "answers": answers if is_counted else None,
    }
