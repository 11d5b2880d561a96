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
    ValueKind,
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
        raise ValueError(f"{value!r} is not a size; give bytes, for example 500M, or {UNLIMITED}")


_ASSIGNMENT = ValueKind("NAME=VALUE", _check_assignment)
_ASSIGNMENTS = dataclasses.replace(
    several(_ASSIGNMENT, "assignments", is_empty_allowed=True), from_toml=_assignments
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessOptions:
    """The process of a worker: who it is, and what it may use."""

    title: ClassVar[str] = "worker processes"

    user: str | None = option(None, text("NAME", "a user"), "user of the workers (root only)")
    group: str | None = option(
        None, text("NAME", "a group"), "group of the workers (that of --user)"
    )
    allow_new_privileges: bool = option(
        False,
        FLAG,
        "with --user: let programs that workers execute gain privileges by setuid, setgid or file "
        "capabilities, as sudo and sendmail do",
    )
    umask: int | None = option(None, MASK, "file mode creation mask of the workers, octal")
    chdir: str | None = option(
        None, FOLDER, "working directory of the workers; --app-dir is relative to it"
    )
    env: Sequence[str] = option(
        (),
        _ASSIGNMENTS,
        "set an environment variable in the workers; repeatable; in a file, a table",
        is_secret=True,
    )
    env_file: Sequence[str] = option(
        (),
        several(FILE, "files", is_empty_allowed=True),
        "set variables from a file with lines NAME=VALUE, unless the environment or --env sets "
        "them; comments start with #",
    )
    nice: int | None = option(
        None,
        whole_number("a priority", _NICEST, _LEAST_NICE, "NUMBER"),
        f"scheduling priority of the workers, {_NICEST} (highest) to {_LEAST_NICE} (lowest)",
    )
    rlimit_nofile: int | None = option(
        None,
        whole_number("a number of files", 1),
        "open file limit of each worker (the hard limit)",
    )
    rlimit_core: int | str | None = option(
        None,
        dataclasses.replace(BYTES, check=_check_core),
        f"maximum size of a core file; with K, M or G, or {UNLIMITED}",
    )
    cpu_affinity: str | None = option(
        None,
        text("CPUS", "a list of CPUs"),
        "pin workers to CPUs. auto: one CPU each; 0,1;2-3: these CPUs for the first worker, and "
        "for the second and all later ones",
    )
