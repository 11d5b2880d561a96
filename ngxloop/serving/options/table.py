"""One option: an entry from which its field of Config, flag, variable, key and docs are derived.

A group of options is a dataclass, each option one of its fields, made with option(). To add an
option, add a field to a group; nothing else.
"""

import dataclasses
import difflib
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from ngxloop.serving.options.values import ValueKind

VARIABLE_PREFIX = "NGXLOOP_"
_Value = TypeVar("_Value")


@dataclasses.dataclass(frozen=True)
class Option:
    """Everything about an option but its value."""

    kind: ValueKind
    help: str
    short: str = ""  # -w, if there is such a flag
    variables: tuple[str, ...] = ()  # read from the environment if NGXLOOP_... is not there
    bare: str = ""  # what --option alone means; then a value has to follow a =
    is_positional: bool = False
    is_secret: bool = False  # --print-config does not show it
    interfaces: tuple[str, ...] = ()  # those that have it; empty: all
    name: str = ""  # of the field; the rest is filled in by options_of()
    default: Any = None
    is_required: bool = False
    group: str = ""

    @property
    def key(self) -> str:
        """The name in a file, and in error messages."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return f"--{self.key}"

    @property
    def variable(self) -> str:
        """The name in the environment."""
        return VARIABLE_PREFIX + self.name.upper()

    @property
    def takes_value(self) -> bool:
        """Say whether the next word of a command line belongs to the flag."""
        return not self.kind.is_flag and not self.bare

    @property
    def meaning(self) -> str:
        """The help, with the interfaces that have the option."""
        if not self.interfaces:
            return self.help
        return f"{self.help} [{', '.join(self.interfaces)}]"

    def check(self, value: object) -> None:
        """Raise ValueError if the value cannot be used; None means not set where that can be."""
        is_unset = value is None and self.default is None and not self.is_required
        if not is_unset:
            self.kind.check(value)


def option(default: _Value, kind: ValueKind, text: str, **more: Any) -> _Value:
    """Return a field of a group; for the type checker the default, as dataclasses.field() does."""
    metadata = {"option": Option(kind, text, **more)}
    return dataclasses.field(default=default, metadata=metadata)


def options_of(groups: Iterable[type]) -> tuple[Option, ...]:
    """Return the options of dataclasses that are groups, in the order in which they stand there."""
    return tuple(found for group in groups for found in _options_of(group))


def similar(word: str, names: Iterable[str]) -> str:
    """Return '; did you mean X?' for a word that is nearly one of the names, else nothing."""
    close = difflib.get_close_matches(word, list(names), n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def _options_of(group: Any) -> Iterator[Option]:
    for field in dataclasses.fields(group):
        entry: Option = field.metadata["option"]
        is_required = field.default is dataclasses.MISSING
        yield dataclasses.replace(
            entry,
            name=field.name,
            default=None if is_required else field.default,
            is_required=is_required,
            group=group.title,
        )
