"""The server library of an interface, imported in the master: its workers have it by the fork.

uvicorn or aiohttp and what they import take most of the time in which a worker starts: 0.2 s on
a quiet machine, in each worker. The application and what it imports itself are never loaded here.

Rules.
1. The master imports when the interface is known: from the option, or from the READY of the first
   workers; only what serves it. A worker can choose between the lists in _MODULES, and no more: its
   word is checked (messages.py), and so is every module (guard.py).
2. Whoever would get something else by importing now has it as if the master had imported nothing:
   a worker drops all of it when a file of it has changed on disk, when the application's folder has
   a module of the same name, and when --env sets a variable that is named after it.
3. Functions that a library registers with atexit are its workers' to call, not the master's.
4. An import that fails is not reported here: the worker, whose import fails too, does it.
"""

import atexit
import contextlib
import dataclasses
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import PathFinder
from typing import Any

# Beside the adapter that is what uvicorn imports when it is configured.
_MODULES = {
    "asgi": ("ngxloop.serving.worker.adapters.asgi",),
    "asgi-uvicorn": (
        "ngxloop.serving.worker.adapters.asgi_uvicorn",
        "uvicorn.lifespan.on",
        "uvicorn.middleware.proxy_headers",
        "uvicorn.protocols.websockets.auto",
    ),
    "aiohttp": ("ngxloop.serving.worker.adapters.aiohttp",),
}

Stamp = tuple[int, int, int]
ExitFunction = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]


@dataclasses.dataclass
class _Shared:
    """What this process, or the master that forked it, has imported for workers."""

    interfaces: set[str] = dataclasses.field(default_factory=set)
    files: dict[str, str | None] = dataclasses.field(default_factory=dict)  # by module
    stamps: dict[str, Stamp] = dataclasses.field(default_factory=dict)  # by file
    exit_functions: list[ExitFunction] = dataclasses.field(default_factory=list)


_shared = _Shared()


def share_libraries(interface: str) -> None:
    """Import, once, what serves an interface; for the master, between two forks."""
    if interface in _shared.interfaces:
        return
    _shared.interfaces.add(interface)
    before = set(sys.modules)
    with _exit_functions_kept():
        for name in _MODULES.get(interface, ()):
            with contextlib.suppress(Exception, SystemExit):
                importlib.import_module(name)
    for name in set(sys.modules) - before:
        _note(name)


def take_libraries(folder: str, variables: Iterable[str]) -> None:
    """Decide, in a fresh worker, whether what the master has imported is what we would import.

    Args:
        folder: Where the application's modules are looked for first.
        variables: The names of those that are set for workers alone.
    """
    if _shared.files and (_has_changed() or _is_hidden_by(folder) or _is_meant_by(variables)):
        for name in _shared.files:
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
    else:
        for function, args, options in _shared.exit_functions:
            atexit.register(function, *args, **options)


# Private -----------------------------------------------------------------------------------------


def _note(name: str) -> None:
    file = getattr(sys.modules[name], "__file__", None)
    _shared.files[name] = file
    if file is not None and (stamp := _stamp(file)) is not None:
        _shared.stamps[file] = stamp


def _stamp(file: str) -> Stamp | None:
    """Return what tells a file from a newer one, None if it is gone."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _has_changed() -> bool:
    return any(_stamp(file) != stamp for file, stamp in _shared.stamps.items())


def _is_hidden_by(folder: str) -> bool:
    """Say whether an import of the application would have found something else there."""
    for top in _top_names():
        found = PathFinder.find_spec(top, [os.path.abspath(folder)])
        # a folder without code hides nothing
        if found is not None and found.loader is not None and found.origin != _shared.files[top]:
            return True
    return False


def _is_meant_by(variables: Iterable[str]) -> bool:
    """Say whether a variable, AIOHTTP_NO_EXTENSIONS say, may be for one of the libraries."""
    prefixes = tuple(f"{top.upper()}_" for top in _top_names() - sys.stdlib_module_names)
    return any(name.startswith(prefixes) for name in variables)


def _top_names() -> set[str]:
    """Return what was not there before by its first name."""
    return {name for name in _shared.files if "." not in name}


@contextlib.contextmanager
def _exit_functions_kept() -> Iterator[None]:
    """Keep what is registered with atexit meanwhile."""
    register = atexit.register
    is_importing = True

    def keep(function: Any, /, *args: Any, **options: Any) -> Any:
        if not is_importing:  # by a module that has taken us for atexit.register
            return register(function, *args, **options)
        _shared.exit_functions.append((function, args, options))
        return function

    setattr(atexit, "register", keep)  # noqa: B010 - a name of a module, set on purpose
    try:
        yield
    finally:
        is_importing = False
        setattr(atexit, "register", register)  # noqa: B010
