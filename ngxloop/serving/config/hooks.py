"""Functions of the operator's own, called at the turning points of master and workers.

They stand in a Python module that --hooks names, each under its name in HOOKS, and take its
arguments. The master's run in its only thread while it does nothing else, so they have to be short
and start no threads. The module is run anew at every reload.

Where it is found, and what it can import: first in --app-dir, then on Python's path. Modules beside
it are found while it is run and while a hook is called, through a finder that stands first in
sys.meta_path for that time; --app-dir never stands on the master's sys.path, where its modules
would be found by the master's own imports, too. The master keeps what it has imported from there
out of sys.modules between the calls: the next reload and the workers import new code.
"""

import contextlib
import importlib.abc
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ExtensionFileLoader, ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from ngxloop.serving.base.application import takes, user_errors
from ngxloop.serving.base.errors import ConfigError, ExitCode, StartError
from ngxloop.serving.base.guard import UntrustedError, is_guarded
from ngxloop.serving.base.trust import find_fault, refusal
from ngxloop.serving.logs.logs import report
from ngxloop.serving.options.table import similar

# Name: arguments, where, when. What `may refuse` raises, ends the start or the reload.
HOOKS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "on_config": (("config",), "master: options are read, nothing is open; may refuse"),
    "on_bind": (("addresses",), "master: the sockets are open, no worker is there; may refuse"),
    "pre_fork": (("slot",), "master: before a worker is forked"),
    "post_fork": (("slot",), "worker: just forked, still the user of the master"),
    "worker_init": (("slot",), "worker: before the application is loaded; may refuse"),
    "worker_ready": (("slot",), "worker: it serves"),
    "worker_draining": (("slot",), "worker: it accepts no more connections"),
    "worker_exit": (("slot",), "worker: it has finished"),
    "child_exit": (
        ("slot", "status", "pid"),
        "master: a worker has ended; status is its exit code, or -signal; pid may be left out",
    ),
    "on_reload": ((), "master: a reload begins"),
    "on_exit": (("code",), "master: everything has ended"),
}
_OPTIONAL = {"child_exit": 1}  # how many of the last arguments a function need not take
_OPTION = "hooks"


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules in one folder that does not stand on sys.path."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self.found: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:  # it is in a package, which knows where
            return None
        spec = PathFinder.find_spec(name, [self._folder], target)
        if spec is not None:
            self.found.add(name)
        return spec


class SiblingModules:
    """The modules of a folder, which can be imported for a time; see the top of this file."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._pid = os.getpid()
        self._modules: dict[str, ModuleType] = {}  # what the master has imported from there

    @contextlib.contextmanager
    def importable(self) -> Iterator[None]:
        """Let them be imported by what runs inside."""
        finder = _Finder(self._folder)
        before = set(sys.modules)
        finder.found.update(self._modules)
        for name, module in self._modules.items():
            sys.modules.setdefault(name, module)
        # behind the guard, if there is one: it asks all finders, and examines what they find
        place = next((i for i, one in enumerate(sys.meta_path) if one is PathFinder), 0)
        sys.meta_path.insert(place, finder)
        try:
            yield
        finally:
            sys.meta_path.remove(finder)
            if os.getpid() == self._pid:  # what a worker imports is the worker's to keep
                self._take_out(set(sys.modules) - before, finder.found)

    def _take_out(self, new: set[str], found: set[str]) -> None:
        """Take modules out of sys.modules, but compiled ones, not all of which load twice."""
        for name in new:
            loader = getattr(sys.modules[name], "__loader__", None)
            is_ours = name.partition(".")[0] in found
            if is_ours and not isinstance(loader, ExtensionFileLoader):
                self._modules[name] = sys.modules.pop(name)


class Hooks:
    """The functions of one module; none of them has to be there."""

    def __init__(
        self, functions: Mapping[str, Any], siblings: SiblingModules | None = None
    ) -> None:
        self._functions = functions
        self._siblings = siblings

    def call(self, name: str, *arguments: object) -> None:
        """Call a hook; what it raises is logged, and nothing else happens."""
        try:
            self.require(name, *arguments)
        except StartError as error:
            report(error.line, error.traceback)

    def require(self, name: str, *arguments: object) -> None:
        """Call a hook that may refuse.

        Raises:
            StartError: It raised.
        """
        function = self._functions.get(name)
        if function is not None:
            with (
                user_errors(ExitCode.START_FAILED, f"the hook {name} raised {{}}"),
                _importable(self._siblings),
            ):
                function(*_wanted(name, function, arguments))


def load_hooks(name: str | None, folder: str) -> Hooks:
    """Run the module and return its hooks.

    Args:
        name: Of the module; None for no hooks.
        folder: Where it is looked for first.

    Raises:
        ConfigError: It is not there, raised, or has a function that is nearly a hook.
    """
    if name is None:
        return Hooks({})
    try:
        place = os.path.abspath(folder)
    except OSError as error:
        line = f"cannot look for {name!r}, the working folder no longer exists: {error.strerror}"
        raise ConfigError(_OPTION, line) from None
    beside = SiblingModules(place)
    with beside.importable():
        spec = _find_module(name, place)
    # If others can write the folder, the module was found elsewhere, and must not import from it.
    is_refused = is_guarded() and find_fault(place, is_searched=True)
    siblings = None if is_refused else beside
    with _importable(siblings):
        module = _run_module(name, spec)
    functions = {hook: getattr(module, hook) for hook in HOOKS if hasattr(module, hook)}
    _refuse_typos(name, module)
    for hook, function in functions.items():
        _check_arguments(name, hook, function)
    return Hooks(functions, siblings)


def _importable(siblings: SiblingModules | None) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if siblings is None else siblings.importable()


def _find_module(name: str, folder: str) -> ModuleSpec:
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(name)
    except UntrustedError as error:
        raise _untrusted(error) from error
    except (ImportError, ValueError):  # of a package around it
        spec = None
    if spec is None or spec.loader is None:
        raise ConfigError(_OPTION, f"no module named {name!r} in {folder} or on Python's path")
    return spec


def _run_module(name: str, spec: ModuleSpec) -> ModuleType:
    """Run the module's file into a module that is not kept: the next reload sees a new file."""
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        with user_errors(ExitCode.IMPORT_FAILED, f"importing {name} failed: {{}}"):
            spec.loader.exec_module(module)
    except StartError as error:
        if isinstance(error.__cause__, UntrustedError):  # of what it imports
            raise _untrusted(error.__cause__) from error
        report(error.line, error.traceback)
        raise ConfigError(_OPTION, error.line) from error
    return module


def _untrusted(error: UntrustedError) -> ConfigError:
    remedy = (
        "chown both to root, or move the module to a folder of PYTHONPATH that only root can write"
    )
    return ConfigError(_OPTION, refusal(f"{error} and has the module {error.name}", remedy))


def _refuse_typos(name: str, module: ModuleType) -> None:
    """Refuse functions whose names are nearly those of hooks: nobody would call them."""
    for other, value in vars(module).items():
        is_own = inspect.isfunction(value) and value.__module__ == module.__name__
        if is_own and other not in HOOKS and (advice := similar(other, HOOKS)):
            raise ConfigError(_OPTION, f"{name} has the unknown hook {other}(){advice}")


def _check_arguments(module: str, name: str, function: Any) -> None:
    arguments, _ = HOOKS[name]
    wanted = _wanted(name, function, arguments)
    call = f"{module}.{name}({', '.join(arguments)})"
    if inspect.iscoroutinefunction(function):
        raise ConfigError(_OPTION, f"{call} is async; hooks are plain functions")
    try:
        inspect.signature(function).bind(*wanted)
    except (TypeError, ValueError):
        raise ConfigError(_OPTION, f"{call} cannot be called like this; see the docs") from None


def _wanted(name: str, function: Any, arguments: Sequence[object]) -> Sequence[object]:
    """Return the arguments for a hook: all, or fewer if it takes no more and they are optional."""
    least = len(arguments) - _OPTIONAL.get(name, 0)
    fitting = (n for n in range(len(arguments), least - 1, -1) if takes(function, n))
    return arguments[: next(fitting, len(arguments))]
