"""docs/configuration.md is what the tables of options, hooks and exit codes say."""

from pathlib import Path

from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.config.config import OPTIONS
from ngxloop.serving.config.hooks import HOOKS
from ngxloop.serving.config.reference import page

DOCUMENT = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_page_is_as_written():
    command = "python -m ngxloop.serving.config.reference > docs/configuration.md"
    assert DOCUMENT.read_text() == page(), f"run: {command}"


def test_page_names_everything():
    text = page()
    for option in OPTIONS:
        assert f"`{option.variable}`" in text
        assert option.is_positional or f"`{option.flag}" in text
    for name in HOOKS:
        assert f"`{name}(" in text
    for code in ExitCode:
        assert f"| {code.value} |" in text
