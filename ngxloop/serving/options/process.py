"""Options: what kind of process a worker is."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import (
    BYTES,
    FILE,
    FLAG,
    FOLDER,
    MASK,
    Kind,
    several,
    text,
    whole_number,
)

UNLIMITED = "unlimited"
_NICEST, _LEAST_NICE = -20, 19  # setpriority(2)


def _check_assignment(value: object) -> None:
    name, equals, _ = value.partition("=") if isinstance(value, str) else ("", "", "")
    if not name or not equals or "\0" in str(value):
        raise ValueError(f"{value!r} sets no variable; give NAME=VALUE")


def _assignments(value: object) -> object:
    """Take a table of variables for a list of assignments."""
    if not isinstance(value, dict):
        return tuple(value) if isinstance(value, list) else value
    return tuple(f"{name}={item}" for name, item in value.items())


def _check_core(value: object) -> None:
    if value != UNLIMITED and not (type(value) is int and value >= 0):
        raise ValueError(f"{value!r} is not a size; give bytes, 500M say, or {UNLIMITED}")


_ASSIGNMENT = Kind("NAME=VALUE", _check_assignment)
_ASSIGNMENTS = dataclasses.replace(
    several(_ASSIGNMENT, "assignments", is_empty_allowed=True), from_toml=_assignments
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessOptions:
    """The process of a worker: who it is, and what it may use."""

    title: ClassVar[str] = "worker processes"

    user: str | None = option(None, text("NAME", "a user"), "the user they run as, if we are root")
    group: str | None = option(
        None, text("NAME", "a group"), "the group they run as (that of --user)"
    )
    allow_new_privileges: bool = option(
        False,
        FLAG,
        "with --user: let programs that workers execute gain rights by setuid and setgid bits or "
        "file capabilities, as sudo and sendmail do",
    )
    umask: int | None = option(None, MASK, "file mode bits they leave out of new files, octal")
    chdir: str | None = option(None, FOLDER, "the folder they work in; --app-dir counts from it")
    env: Sequence[str] = option(
        (),
        _ASSIGNMENTS,
        "set an environment variable in the workers; repeatable; in a file, a table",
        is_secret=True,
    )
    env_file: Sequence[str] = option(
        (),
        several(FILE, "files", is_empty_allowed=True),
        "set the variables of a file with lines NAME=VALUE that neither the environment nor --env "
        "sets; a comment starts with #",
    )
    nice: int | None = option(
        None,
        whole_number("a priority", _NICEST, _LEAST_NICE, "NUMBER"),
        f"their priority, {_NICEST} (first) to {_LEAST_NICE} (last)",
    )
    rlimit_nofile: int | None = option(
        None,
        whole_number("a number of files", 1),
        "open files each may have (as many as the hard limit allows)",
    )
    rlimit_core: int | str | None = option(
        None,
        dataclasses.replace(BYTES, check=_check_core),
        f"largest core file; K, M, G and {UNLIMITED} are understood",
    )
    cpu_affinity: str | None = option(
        None,
        text("CPUS", "a list of CPUs"),
        "pin workers to CPUs: auto is one each; 0,1;2-3 gives the CPUs of the first, of the second "
        "and all later ones",
    )
