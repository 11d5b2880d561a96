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
        "load APP once, in a process that then forks the workers, so that they share its memory; a "
        "reload loads it again",
    )
    hooks: str | None = option(
        None,
        text("MODULE", "a module"),
        "Python module with functions to call at certain events: on_config, worker_ready ...",
    )
    daemon: bool = option(
        False,
        FLAG,
        "run in the background once the workers serve; exit with their error if they cannot",
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
        "folder that --reload watches; repeatable (--app-dir)",
    )
