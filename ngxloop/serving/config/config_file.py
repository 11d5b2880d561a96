"""Options from a file: ngxloop.toml, or [tool.ngxloop] in pyproject.toml.

The one that --config or NGXLOOP_CONFIG names is read, else the first of the two that is in the
working folder. A pyproject.toml without the table says nothing about us.
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.base.optionvalue import OptionValue
from ngxloop.serving.base.trust import Text, read_text
from ngxloop.serving.options.table import Option, similar

FILE_NAME = "ngxloop.toml"
PROJECT_FILE_NAME = "pyproject.toml"
_PROJECT_TABLES = ("ngxloop", "tool")  # what belongs into pyproject.toml


class FileOptions(NamedTuple):
    """What a file sets."""

    given: dict[str, OptionValue]  # by the name of the option
    path: Path
    fault: str  # why others than root could have written it, see trust.py


def find_file(folder: Path) -> Path | None:
    """Return the file of a folder that is read if none is named."""
    for name in (FILE_NAME, PROJECT_FILE_NAME):
        if (folder / name).is_file():
            return folder / name
    return None


def read_file(
    path: Path, where: str, options: Sequence[Option], *, is_regular: bool = False
) -> FileOptions:
    """Return what the file sets.

    Args:
        path: The file.
        where: What named it, for the error if it cannot be read.
        options: All that there are.
        is_regular: It may be no pipe: one that would keep the master waiting.

    Raises:
        ConfigError: It cannot be read, is no TOML, or has a key that is no option.
    """
    text = _read(path, where, is_regular)
    table = _table(path, _parse(path, text.text))
    by_key = {option.key: option for option in options}
    given: dict[str, OptionValue] = {}
    for written, value in table.items():
        option = by_key.get(written.replace("_", "-"))
        if option is None:
            advice = similar(written, by_key) or "; see ngxloop-serve --help"
            if isinstance(value, dict) and written in _PROJECT_TABLES:
                advice = "; in this file the options need no table"
            raise ConfigError(written, f"unknown option {written!r}{advice}", str(path))
        if option.name in given:
            raise ConfigError(written, f"{option.key!r} is set twice", str(path))
        given[option.name] = OptionValue(option.kind.from_toml(value), f"{path}: {written}")
    return FileOptions(given, path, text.fault)


def _read(path: Path, where: str, is_regular: bool) -> Text:
    try:
        return read_text(path, is_regular=is_regular)
    except OSError as error:
        problem = f"cannot read {path}: {error.strerror}"
        raise ConfigError("config", problem, where) from None
    except UnicodeDecodeError as error:
        raise _no_toml(path, error) from None


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:  # the parser has no depth limit
        raise _no_toml(path, error) from None


def _no_toml(path: Path, error: Exception) -> ConfigError:
    return ConfigError("config", f"is not valid TOML: {error}", str(path))


def _table(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    if path.name != PROJECT_FILE_NAME:
        return content
    tools = content.get("tool", {})
    table = tools.get("ngxloop", {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise ConfigError("config", "tool.ngxloop is not a table; write [tool.ngxloop]", str(path))
    return table
