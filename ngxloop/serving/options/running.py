"""Options: how the master itself is run, and extended."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import FLAG, FOLDER, several, text


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """In the background, in development, with functions of your own."""

    title: ClassVar[str] = "running"

    preload: bool = option(
        False,
        FLAG,
        "load APP once for each generation, in a process that then forks the workers: they share "
        "its memory; a reload loads it anew",
    )
    hooks: str | None = option(
        None,
        text("MODULE", "a module"),
        "a Python module with functions that are called at turning points: on_config, worker_ready "
        "...",
    )
    daemon: bool = option(
        False, FLAG, "go into the background once the workers serve; exit with their error if not"
    )
    reload: bool = option(
        False,
        FLAG,
        "for development: reload when a Python file changes; if APP cannot be started, wait for "
        "a change (needs the package watchfiles)",
    )
    reload_dir: Sequence[str] = option(
        (),
        several(FOLDER, "folders", is_empty_allowed=True),
        "a folder that --reload watches; may be given several times (--app-dir)",
    )
