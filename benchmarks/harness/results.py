"""The raw figures of a run as JSON: complete, so that tables can be made without the questions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.harness.contenders import ROOT, Contender
from benchmarks.harness.question import Effort
from benchmarks.harness.rounds import CaseResult, QuestionResult

FORMAT = 1
FOLDER = ROOT / "benchmarks" / "results"

Document = dict[str, Any]


class NotResultsError(Exception):
    """A file is not what this module writes; the text is one line for the user."""


def new_document(
    started: str, machine: Mapping[str, str], versions: Mapping[str, str], effort: Effort
) -> Document:
    """Begin the document of a run."""
    return {
        "format": FORMAT,
        "started": started,
        "seconds": effort.seconds,
        "rounds": effort.rounds,
        "machine": dict(machine),
        "versions": dict(versions),
        "questions": [],
    }


def question_document(result: QuestionResult) -> Document:
    """Return what was measured for one question."""
    return {
        "name": result.question.name,
        "text": result.question.text,
        "metrics": [asdict(metric) for metric in result.question.metrics],
        "contenders": [_contender_document(contender) for contender in result.contenders],
        "cases": [_case_document(case) for case in result.cases],
    }


def default_path(document: Document) -> Path:
    """Return where a run is kept: its start and its commit name the file."""
    moment = document["started"].replace(":", "").replace("-", "")
    commit = document["machine"]["commit"].replace(" with changes", "-changed")
    return FOLDER / f"{moment}-{commit}.json"


def save(document: Document, path: Path) -> None:
    """Write a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def load(path: Path) -> Document:
    """Read a run."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise NotResultsError(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise NotResultsError(f"{path} is not a result of format {FORMAT}")
    return document


def _contender_document(contender: Contender) -> Document:
    return {"name": contender.name, "role": contender.role}


def _case_document(outcome: CaseResult) -> Document:
    samples: Mapping[str, Sequence[Mapping[str, float]]] = outcome.samples
    return {
        "name": outcome.case.name,
        "parameters": dict(outcome.case.parameters),
        "samples": samples,
        "failures": outcome.failures,
    }
