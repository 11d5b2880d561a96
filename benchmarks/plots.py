"""Plots of raw results, as SVG files: the overview, and how costs grow with connections.

Used by benchmarks.report; needs matplotlib.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.harness.results import Document
from benchmarks.summary import SPREAD, SUBJECT, lines_of, median

GROWTH_QUESTION = "connection_growth"
# Texts stay texts, and the same figures give the same file.
SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "ngxloop", "font.size": 9.0}
METADATA = {"Date": None}
ROW_INCHES = 0.24
AHEAD, BEHIND, EVEN = "#2a7f3f", "#b3402e", "#777777"

Row = tuple[str, float]


def draw_all(questions: list[Document], folder: Path) -> Mapping[str, str]:
    """Draw what the questions allow; return file name and caption of each plot."""
    folder.mkdir(parents=True, exist_ok=True)
    plots: dict[str, tuple[str, Callable[[list[Document], Path], bool]]] = {
        "overview.svg": ("Each case: how many times better than the best peer.", draw_overview),
        "growth.svg": ("CPU time of a 64 byte request by number of connections.", draw_growth),
    }
    with mpl.rc_context(SETTINGS):
        return {
            name: caption
            for name, (caption, draw) in plots.items()
            if draw(questions, folder / name)
        }


def draw_overview(questions: list[Document], path: Path) -> bool:
    """Draw one bar a case: the best peer's cost over ours."""
    rows = [(f"{line.question} {line.case}", line.ratio) for line in lines_of(questions)]
    if not rows:
        return False
    rows.sort(key=lambda row: row[1])
    figure = Figure(figsize=(8, 1 + ROW_INCHES * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh([name for name, _ in rows], [ratio for _, ratio in rows], color=_colours(rows))
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("times better than the best peer (above 1: ahead)")
    axes.margins(y=0.01)
    figure.savefig(path, metadata=METADATA)
    return True


def draw_growth(questions: list[Document], path: Path) -> bool:
    """Draw one line a loop: CPU microseconds per request over connections."""
    question = next((each for each in questions if each["name"] == GROWTH_QUESTION), None)
    if question is None:
        return False
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.add_subplot()
    for contender in question["contenders"]:
        points = _growth_points(question, contender["name"])
        width = 2.2 if contender["name"] == SUBJECT else 1.0
        axes.plot(*zip(*points, strict=True), marker="o", label=contender["name"], linewidth=width)
    axes.set_xscale("log")
    axes.set_xlabel("connections, all busy")
    axes.set_ylabel("server CPU us per request")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(path, metadata=METADATA)
    return True


def _growth_points(question: Document, name: str) -> list[tuple[int, float]]:
    return [
        (int(case["parameters"]["connections"]), value)
        for case in question["cases"]
        if (value := median(case, name, "cpu_us")) is not None and name not in case["failures"]
    ] or [(1, float("nan"))]


def _colours(rows: list[Row]) -> list[str]:
    return [
        AHEAD if ratio > 1 + SPREAD else BEHIND if ratio < 1 - SPREAD else EVEN for _, ratio in rows
    ]
