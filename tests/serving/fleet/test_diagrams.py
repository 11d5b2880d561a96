"""The diagrams in docs/ are those of the tables."""

from pathlib import Path

from ngxloop.serving.fleet.diagrams import page

DOCS = Path(__file__).parents[3] / "docs"


def test_diagrams_are_up_to_date():
    assert (DOCS / "states.md").read_text() == page(), "run `make docs`"
