"""Functions of the operator's own, called at the turning points of master and workers.

They stand in a Python module that --hooks names, each under its name in HOOKS, and take its
arguments. The master's run in its only thread while it does nothing else, so they have to be short
and start no threads. The module is run anew at every reload.
"""

import importlib.util
import inspect
import os
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from ngxloop.serving.application import user_errors
from ngxloop.serving.errors import ConfigError, ExitCode, StartError
from ngxloop.serving.logs import report
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
    "child_exit": (("slot", "status"), "master: a worker is gone; its exit code, or -signal"),
    "on_reload": ((), "master: a reload begins"),
    "on_exit": (("code",), "master: everything has ended"),
}
_OPTION = "hooks"


class Hooks:
    """The functions of one module; none of them has to be there."""

    def __init__(self, functions: Mapping[str, Any]) -> None:
        self._functions = functions

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
            with user_errors(ExitCode.START_FAILED, f"the hook {name} raised {{}}"):
                function(*arguments)


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
    module = _run_module(name, os.path.abspath(folder))
    functions = {hook: getattr(module, hook) for hook in HOOKS if hasattr(module, hook)}
    _refuse_slips(name, module)
    for hook, function in functions.items():
        _check_arguments(name, hook, function)
    return Hooks(functions)


def _run_module(name: str, folder: str) -> ModuleType:
    """Run the module's file into a module that is not kept: the next reload sees a new file."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # of a package around it
        spec = None
    if spec is None or spec.loader is None:
        raise ConfigError(_OPTION, f"no module named {name!r} in {folder} or on Python's path")
    module = importlib.util.module_from_spec(spec)
    try:
        with user_errors(ExitCode.IMPORT_FAILED, f"importing {name} failed: {{}}"):
            spec.loader.exec_module(module)
    except StartError as error:
        report(error.line, error.traceback)
        raise ConfigError(_OPTION, error.line) from error
    return module


def _refuse_slips(name: str, module: ModuleType) -> None:
    """Refuse functions whose names are nearly those of hooks: nobody would call them."""
    for other, value in vars(module).items():
        is_own = inspect.isfunction(value) and value.__module__ == module.__name__
        if is_own and other not in HOOKS and (advice := similar(other, HOOKS)):
            raise ConfigError(_OPTION, f"{name} has {other}(), which is no hook{advice}")


def _check_arguments(module: str, name: str, function: Any) -> None:
    arguments, _ = HOOKS[name]
    call = f"{module}.{name}({', '.join(arguments)})"
    if inspect.iscoroutinefunction(function):
        raise ConfigError(_OPTION, f"{call} is async; hooks are plain functions")
    try:
        inspect.signature(function).bind(*arguments)
    except (TypeError, ValueError):
        raise ConfigError(_OPTION, f"{call} cannot be called like this; see the docs") from None
