"""One line for each case: ours, the best peer's, and how many times better ours is.

Of a question's figures the one is taken that the machine's other work disturbs least: CPU time if
there is one. Questions that compare our own modes with each other, and those that compare no
figure, have no line.
"""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.results import Document

SUBJECT = "ngxloop"
USUAL = "uvloop"  # what most programs use today
SPREAD = 0.03  # what two runs of the same code differ by


@dataclass(frozen=True)
class Line:
    """One case of one question."""

    question: str
    case: str
    metric: str
    digits: int
    ours: float
    best_peer: str
    best: float
    ratio: float  # above 1: ours is better, whichever direction is better
    than_usual: float | None  # the same against USUAL; None if that has no such case


def lines_of(questions: Iterable[Document]) -> list[Line]:
    """Return a line for every case that we and some peer have answered."""
    found = [
        _line(question, case, subject)
        for question in questions
        if (subject := _subject(question)) is not None
        for case in question["cases"]
    ]
    return [line for line in found if line is not None]


def as_markdown(lines: Iterable[Line]) -> str:
    """Return the lines as one table."""
    rows = [_row(line) for line in lines]
    head = [
        f"| case | unit | {SUBJECT} | best peer | which | times better | than {USUAL} |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: |",
    ]
    return "\n".join([*head, *rows])


def _row(line: Line) -> str:
    cells = (
        f"{line.question} {line.case}",
        line.metric,
        f"{line.ours:.{line.digits}f}",
        f"{line.best:.{line.digits}f}",
        line.best_peer,
        f"{line.ratio:.2f}",
        "" if line.than_usual is None else f"{line.than_usual:.2f}",
    )
    return f"| {' | '.join(cells)} |"


def median(case: Document, name: str, metric: str) -> float | None:
    """Return the median of the rounds; None if there were none."""
    samples: list[dict[str, Any]] = case["samples"].get(name, [])
    values = [sample[metric] for sample in samples if metric in sample]
    return statistics.median(values) if values else None


def _subject(question: Document) -> str | None:
    names = [each["name"] for each in question["contenders"] if each["role"] == "subject"]
    return next((name for name in names if name.startswith(SUBJECT)), None)


def _line(question: Document, case: Document, subject: str) -> Line | None:
    compared = [metric for metric in question["metrics"] if metric["compared"]]
    if not compared:
        return None
    steady = [metric for metric in compared if metric["name"].startswith("cpu")]
    metric = (steady or compared)[0]
    peers = {
        each["name"]: value
        for each in question["contenders"]
        if each["role"] == "peer"
        and each["name"] not in case["failures"]
        and (value := median(case, each["name"], metric["name"]))
    }
    ours = median(case, subject, metric["name"])
    if not peers or not ours:
        return None
    is_less_better = metric["better"] == "lower"
    best_peer = min(peers, key=lambda name: peers[name] if is_less_better else -peers[name])
    best, usual = peers[best_peer], peers.get(USUAL)

    def times_better(value: float) -> float:
        return value / ours if is_less_better else ours / value

    return Line(
        question=question["name"],
        case=case["name"],
        metric=metric["label"],
        digits=metric["digits"],
        ours=ours,
        best_peer=best_peer,
        best=best,
        ratio=times_better(best),
        than_usual=times_better(usual) if usual else None,
    )
