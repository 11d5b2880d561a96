"""The kinds of values an option can have: how each is read from text or TOML, checked and shown.

What cannot be read is handed on as it is, and refused by the check, so that each mistake has one
sentence, wherever it was made. A check raises ValueError: what is wrong, and what to give.
"""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

# The longest time-out that can be configured, 115 days. alarm(2) takes it, with KILL_SECONDS added.
MAX_SECONDS = 10_000_000
AUTO = "auto"
_MAX_MEBIBYTES = 2**30  # a pebibyte
_MAX_BYTES = 2**63 - 1
_BYTES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_MODE_BITS = 0o777  # read, write, execute for user, group and others
_WORDS = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}


def _same(value: Any) -> Any:
    return value


def toml(value: Any) -> str:
    """Return the value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Sequence):
        return f"[{', '.join(toml(item) for item in value)}]"
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if is_whole else value)


@dataclasses.dataclass(frozen=True)
class ValueKind:
    """How values of one kind are read, checked and written."""

    metavar: str
    check: Callable[[object], None]
    from_text: Callable[[str], Any] = _same  # of the command line and the environment
    from_toml: Callable[[Any], Any] = _same  # of the file, where numbers are numbers
    show: Callable[[Any], str] = toml
    is_flag: bool = False
    item: "ValueKind | None" = None  # of a list


def text(metavar: str, what: str) -> ValueKind:
    """Return the kind of a text that may not be empty, `what` being 'a folder', for example."""

    def check(value: object) -> None:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError(f"{value!r} is not {what}")

    return ValueKind(metavar, check)


def anything(metavar: str) -> ValueKind:
    """Return the kind of a text that is handed on as it is."""

    def check(value: object) -> None:
        if not isinstance(value, str) or "\0" in value:
            raise ValueError(f"{value!r} is not a text")

    return ValueKind(metavar, check)


def whole_number(
    what: str, lowest: int, highest: int | None = None, metavar: str = "COUNT"
) -> ValueKind:
    """Return the kind of an int in a range, `what` being 'a queue length', for example."""
    limits = f"{lowest} or more" if highest is None else f"{lowest} to {highest}"

    def check(value: object) -> None:
        if type(value) is not int or value < lowest or (highest is not None and value > highest):
            raise ValueError(f"{value!r} is not {what}; give {limits}")

    return ValueKind(metavar, check, from_text=_int)


def number_or_auto(what: str, lowest: int, highest: int) -> ValueKind:
    """Return the kind of an int in a range, or the word auto."""

    def check(value: object) -> None:
        if value != AUTO and not (type(value) is int and lowest <= value <= highest):
            raise ValueError(f"{value!r} is not {what}; give {lowest} to {highest}, or auto")

    return ValueKind("COUNT", check, from_text=_int)


def choice(metavar: str, names: Sequence[str]) -> ValueKind:
    """Return the kind of one of some words."""

    def check(value: object) -> None:
        if value not in names:
            raise ValueError(f"{value!r} is not one of {', '.join(names)}")

    return ValueKind(metavar, check)


def several(kind: ValueKind, what: str, is_empty_allowed: bool = False) -> ValueKind:
    """Return the kind of a list; in the environment its items stand between commas."""

    def check(value: object) -> None:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError(f"{value!r} is not a list of {what}")
        if not value and not is_empty_allowed:
            raise ValueError(f"an empty list of {what}; give one or more")
        for item in value:
            kind.check(item)

    def from_text(words: str) -> tuple[Any, ...]:
        items = (word.strip() for word in words.split(","))
        return tuple(kind.from_text(item) for item in items if item)

    def from_toml(value: Any) -> Any:
        if isinstance(value, str):  # one needs no brackets
            value = [value]
        return tuple(map(kind.from_toml, value)) if isinstance(value, list) else value

    return ValueKind(kind.metavar, check, from_text, from_toml, item=kind)


def _check_flag(value: object) -> None:
    if type(value) is not bool:
        raise ValueError(f"{value!r} is neither yes nor no; give true or false")


def _check_seconds(value: object) -> None:
    if type(value) not in (int, float) or not 0 <= value <= MAX_SECONDS:  # type: ignore[operator]
        raise ValueError(f"{value!r} is not a number of seconds; give 0 to {MAX_SECONDS}")


def _check_some_seconds(value: object) -> None:
    _check_seconds(value)
    if value == 0:
        raise ValueError("a time of 0 seconds is too short; give more than 0")


def _check_mebibytes(value: object) -> None:
    if type(value) not in (int, float) or not 0 <= value <= _MAX_MEBIBYTES:  # type: ignore[operator]
        raise ValueError(f"{value!r} is not a size; give 0 to {_MAX_MEBIBYTES} MiB")


def _check_bytes(value: object) -> None:
    if type(value) is not int or not 0 <= value <= _MAX_BYTES:
        raise ValueError(f"{value!r} is not a size; give bytes, for example 10M")


def _check_mode(value: object) -> None:
    if type(value) is not int or not 0 <= value <= _MODE_BITS:
        raise ValueError(f"{value!r} is not a file mode; give octal digits, for example 660")


def _int(word: str) -> int | str:
    digits = word.removeprefix("-")
    return int(word) if digits.isascii() and digits.isdigit() else word


def _float(word: str) -> float | str:
    try:
        return float(word)
    except ValueError:
        return word


def _size(word: str) -> int | str:
    number, unit = (word[:-1], word[-1:].lower()) if not word[-1:].isdigit() else (word, "")
    is_size = number.isascii() and number.isdigit() and unit in _BYTES
    return int(number) * _BYTES[unit] if is_size else word


def _size_of_any(value: Any) -> Any:
    return _size(value) if isinstance(value, str) else value


def _octal(word: Any) -> Any:
    is_octal = isinstance(word, str) and word and set(word) <= set("01234567")
    return int(word, 8) if is_octal else word


FLAG = ValueKind("", _check_flag, lambda word: _WORDS.get(word.lower(), word), is_flag=True)
SECONDS = ValueKind("SECONDS", _check_seconds, _float)
SOME_SECONDS = ValueKind("SECONDS", _check_some_seconds, _float)
MEBIBYTES = ValueKind("MIB", _check_mebibytes, _float)
BYTES = ValueKind("BYTES", _check_bytes, _size, _size_of_any)
FILE_MODE = ValueKind("MODE", _check_mode, _octal, _octal, show=lambda value: f"0o{value:03o}")
MASK = ValueKind("MASK", _check_mode, _octal, _octal, show=lambda value: f"0o{value:03o}")
FOLDER = text("FOLDER", "a folder")
FILE = text("FILE", "a file")
