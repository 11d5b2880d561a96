"""docs/states.md, from the tables of the machine: `make docs` writes it.

Mermaid's stateDiagram, which code hosts draw; a test compares the file with the tables.
"""

import enum
import sys
from collections.abc import Mapping
from typing import Any

from ngxloop.serving.base.states import TRANSITIONS, State
from ngxloop.serving.fleet.phases import PHASES, STAGES, Phase, Stage

_HEAD = """# States of the master and its workers

Written by `make docs` from the tables in `serving/base/states.py` and `serving/fleet/phases.py`. An
event without an arrow changes nothing: messages come late, twice, or for a worker that is gone.
"""
_TABLES: tuple[tuple[str, str, Mapping[Any, enum.Enum], enum.Enum], ...] = (
    (
        "A worker",
        "One of the N workers of a generation. `DEAD` and `BACKOFF` have no process.",
        TRANSITIONS,
        State.DEAD,
    ),
    (
        "A generation",
        "The workers that were started together. One that cannot serve drains as well.",
        STAGES,
        Stage.PREPARING,
    ),
    (
        "The master",
        "While it serves, another generation may be coming.",
        PHASES,
        Phase.STARTING,
    ),
)


def _diagram(table: Mapping[tuple[enum.Enum, enum.Enum], enum.Enum], first: enum.Enum) -> list[str]:
    """Return the lines of one diagram; what leads from one state to another is one arrow."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, cause), following in table.items():
        arrows.setdefault((state.name, following.name), []).append(cause.name)
    lines = [f"    {old} --> {new}: {', '.join(causes)}" for (old, new), causes in arrows.items()]
    return ["```mermaid", "stateDiagram-v2", f"    [*] --> {first.name}", *lines, "```"]


def page() -> str:
    """Return the text of docs/states.md."""
    lines = [_HEAD]
    for title, text, table, first in _TABLES:
        lines += [f"## {title}", "", text, "", *_diagram(table, first), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(page())
