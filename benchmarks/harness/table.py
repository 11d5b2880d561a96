"""Tables from raw results: medians, spread, and the ratio to the best peer.

A ratio says how many times better than the best peer a contender is, whichever direction is
better for the metric: above 1 is ahead. Peers are all loops but ours; the best one has 1.00.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]
Row = list[str]

NOTHING = "-"


@dataclass(frozen=True)
class Table:
    """One case: heading cells, rows of as many cells, and a line per failure."""

    case: str
    heading: Row
    rows: list[Row]
    failures: list[str]


def tables_of(question: Document) -> list[Table]:
    """Return a table per case of one question of a result document."""
    return [_table(question, case) for case in question["cases"]]


def as_text(table: Table) -> str:
    """Lay a table out in columns."""
    widths = [max(map(len, column)) for column in zip(table.heading, *table.rows, strict=True)]
    lines = [_line(row, widths) for row in [table.heading, *table.rows]]
    return "\n".join([*lines, *(f"  {failure}" for failure in table.failures)])


def as_markdown(table: Table) -> str:
    """Write a table as Markdown, figures aligned right."""
    ruler = ["---", *("---:" for _ in table.heading[1:])]
    lines = ["| " + " | ".join(row) + " |" for row in [table.heading, ruler, *table.rows]]
    notes = [f"\n{failure}" for failure in table.failures]
    return "\n".join([*lines, *notes])


def _table(question: Document, case: Document) -> Table:
    columns = [
        column for metric in question["metrics"] for column in _columns(metric, question, case)
    ]
    shown = [column for column in columns if any(cell != NOTHING for cell in column[1:])]
    names = [case["name"], *(contender["name"] for contender in question["contenders"])]
    heading, *rows = [list(cells) for cells in zip(names, *shown, strict=True)]
    return Table(case["name"], heading, rows, _failure_lines(case))


def _columns(metric: Document, question: Document, case: Document) -> list[Row]:
    """Return the columns of one metric, headings included: median, and spread and ratio."""
    names = [contender["name"] for contender in question["contenders"]]
    values = {name: _values(case, name, metric["name"]) for name in names}

    def column(label: str, cell: Callable[[str], str]) -> Row:
        return [label, *(cell(name) if values[name] else NOTHING for name in names)]

    digits = metric["digits"]
    medians = {name: statistics.median(found) for name, found in values.items() if found}
    columns = [column(metric["label"], lambda name: f"{medians[name]:.{digits}f}")]
    if metric["compared"]:
        best = _best_peer(metric, question, case, medians)
        columns += [
            column("min..max", lambda name: _spread(values[name], digits)),
            column("x peer", lambda name: _ratio(metric, medians[name], best)),
        ]
    return columns


def _values(case: Document, name: str, metric: str) -> list[float]:
    return [sample[metric] for sample in case["samples"].get(name, []) if metric in sample]


def _best_peer(
    metric: Document, question: Document, case: Document, medians: dict[str, float]
) -> float | None:
    """Return the best median of a peer that has not failed the case."""
    peers = [
        medians[contender["name"]]
        for contender in question["contenders"]
        if contender["role"] == "peer"
        and contender["name"] in medians
        and contender["name"] not in case["failures"]
    ]
    best: Callable[[Sequence[float]], float] = min if metric["better"] == "lower" else max
    return best(peers) if peers else None


def _ratio(metric: Document, value: float, best: float | None) -> str:
    worse, better = (value, best) if metric["better"] == "lower" else (best, value)
    if better is None or worse is None or worse <= 0:
        return NOTHING
    return f"{better / worse:.2f}"


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{min(values):.{digits}f}..{max(values):.{digits}f}"


def _failure_lines(case: Document) -> list[str]:
    return [f"{name} FAILED: {reason}" for name, reason in case["failures"].items()]


def _line(row: Row, widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if i == 0 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()
