"""What APP names if it is a program, found and run as `python APP` would.

    server.py, bin/server    a Python file, also without .py
    FOLDER, APP.pyz          a folder or a zip file with __main__.py
    -m MODULE                a module, or a package with __main__.py
    COMMAND                  an installed command that is a Python file, if there is no such file

Rule. Only in a worker, or in the process of `check`: a package is imported to find its __main__.
"""

import dataclasses
import importlib.util
import os
import pkgutil
import runpy
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import CodeType
from typing import Any

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.options.application import MODULE_FLAG, is_module
from ngxloop.serving.worker.nesting import plain_command

_MAIN = "__main__"
_USUAL = ("app", "application")  # what applications are called


@dataclasses.dataclass(frozen=True)
class Script:
    """A program that is there.

    Args:
        words: What python is given to run it.
        folders: What python would put on the path first; a folder or zip file comes by itself.
    """

    words: Sequence[str]
    folders: Sequence[str]

    def run(self, arguments: Sequence[str]) -> dict[str, Any]:
        """Run it as __main__; return its global names when it has ended.

        Raises:
            StartError: There is no such module.
        """
        place = self.words[-1]
        sys.argv = [place, *arguments]
        sys.orig_argv = plain_command(sys.orig_argv, [*self.words, *arguments])
        sys.path[: 0 if sys.flags.safe_path else 1] = self.folders
        if len(self.words) > 1:
            _find_module(place)
            return runpy.run_module(place, run_name=_MAIN, alter_sys=True)
        return runpy.run_path(place, run_name=_MAIN)

    def compile(self) -> CodeType | None:
        """Compile it without running it; None if that is not possible.

        Raises:
            StartError: There is no such module.
        """
        place = self.words[-1]
        if len(self.words) > 1:
            sys.path[:0] = self.folders
            return _code_of(_find_module(place))
        importer = pkgutil.get_importer(place)
        if importer is not None:  # a folder, or a zip file
            return _code_of(importer.find_spec(_MAIN))
        with open(place, "rb") as file:
            return compile(file.read(), place, "exec", dont_inherit=True)


def find_script(app: str, app_dir: str) -> Script:
    """Return the program that APP names, as seen from the working folder.

    Raises:
        StartError: There is none.
    """
    if is_module(app):
        return Script(("-m", app.removeprefix(MODULE_FLAG)), [os.path.abspath(app_dir)])
    path = app if os.path.exists(app) else _find_command(app)
    if os.path.isdir(path):
        if not any(os.path.exists(f"{path}/{_MAIN}.{ending}") for ending in ("py", "pyc")):
            line = f"the folder {app!r} has no __main__.py; give a script, or MODULE:NAME"
            raise StartError(ExitCode.NO_MODULE, line)
        return Script((path,), [])
    folder = os.path.dirname(os.path.abspath(path))
    return Script((path,), [] if pkgutil.get_importer(path) is not None else [folder])


def _find_command(name: str) -> str:
    found = shutil.which(name) if os.sep not in name else None
    if found is None:
        line = f"there is no script {name!r} in {os.getcwd()}; give its path"
        raise StartError(ExitCode.NO_MODULE, line)
    return found


def _find_module(name: str) -> ModuleSpec:
    """Return the module that -m runs; its package is imported."""
    found = _find_spec(name)
    if found is None:
        line = f"there is no module {name!r}, or it is a package without __main__.py"
        raise StartError(ExitCode.NO_MODULE, f"{line}; give its folder with --app-dir")
    return found


def _find_spec(name: str) -> ModuleSpec | None:
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.{_MAIN}")
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise  # of something that its package imports
        return None
    return spec


def _code_of(spec: ModuleSpec | None) -> CodeType | None:
    get_code = getattr(spec.loader, "get_code", None) if spec is not None else None
    code: CodeType | None = get_code(spec.name) if get_code and spec is not None else None
    return code


def application_advice(app: str, names: Mapping[str, object]) -> str:
    """Return what to type if a program has only defined an application, by its global names."""
    found = next((name for name in _USUAL if callable(names.get(name))), None)
    if found is None or not app.endswith(".py"):
        return ""
    folder, file = os.path.split(app)
    place = f" --app-dir {folder}" if folder else ""
    return f"to serve what it defines, give {file.removesuffix('.py')}:{found}{place}"
