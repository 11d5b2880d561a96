"""Find what MODULE:NAME names, and turn every way in which that can fail into one clear line."""

import contextlib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ngxloop.serving.base.errors import ExitCode, StartError

_OUR_FOLDER = os.path.dirname(os.path.dirname(__file__))
_MACHINERY = (importlib.__file__, contextlib.__file__)


def load_object(target: str, app_dir: str) -> Any:
    """Import the module and return the object; code of the application runs.

    Raises:
        StartError: There is no such module or attribute, or the import raised.
    """
    module_name, _, names = target.partition(":")
    folder = os.path.abspath(app_dir)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found = _import_module(module_name, folder, names)
    for name in names.split("."):
        found = _attribute(found, name, target)
    return found


async def call_factory(factory: Any, target: str) -> Any:
    """Call what --factory was given for, in the running loop, and return what it makes.

    Raises:
        StartError: It cannot be called, or raised.
    """
    if not callable(factory):
        raise StartError(
            ExitCode.NOT_AN_APPLICATION,
            f"{target} is {kind_of(factory)}, which cannot be called; leave --factory out",
        )
    with user_errors(ExitCode.START_FAILED, f"{target} raised {{}} when it was called"):
        made = factory()
        return await made if inspect.isawaitable(made) else made


def kind_of(found: object) -> str:
    """Return what a user would call the object: 'a dict', 'a function', 'the class Echo'."""
    if inspect.isclass(found):
        return f"the class {found.__name__}"
    if isinstance(found, ModuleType):
        return f"the module {found.__name__}"
    if inspect.iscoroutinefunction(found):
        return "an async function"
    name = type(found).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


def takes(function: Any, count: int) -> bool:
    """Say whether the callable can be called with so many positional arguments."""
    try:
        inspect.signature(function).bind(*range(count))
    except (TypeError, ValueError):  # does not fit; ValueError: a builtin without a signature
        return False
    return True


@contextlib.contextmanager
def user_errors(code: ExitCode, line: str) -> Iterator[None]:
    """Turn what the application raises into a StartError; {} in the line is the error.

    SystemExit too: `sys.exit("no database")` in a module is a way to say that it cannot start.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, StartError):
            raise
        shown = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        text = user_traceback(error)
        raise StartError(code, line.format(shown.splitlines()[0]), text) from error


def user_traceback(error: BaseException) -> str:
    """Return the traceback from the first frame of the application on; SyntaxError has none."""
    frames = error.__traceback__
    while frames is not None and _is_machinery(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def package_advice(error: BaseException | None, path: str, form: str) -> str:
    """Return what to type if a module was run or imported without its package, and needs that.

    Args:
        error: What it raised.
        path: Its file.
        form: What APP looks like, with {} for the full name of the module.
    """
    if not isinstance(error, ImportError) or "attempted relative import" not in str(error):
        return ""
    folder, file = os.path.split(os.path.abspath(path))
    names = [file.removesuffix(".py")]
    while os.path.exists(os.path.join(folder, "__init__.py")):
        folder, package = os.path.split(folder)
        names.insert(0, package)
    place = "" if folder == os.getcwd() else f" --app-dir {folder}"
    return f"give {form.format('.'.join(names))}{place}" if len(names) > 1 else ""


def _import_module(name: str, folder: str, names: str) -> ModuleType:
    try:
        with user_errors(ExitCode.IMPORT_FAILED, f"importing {name} failed: {{}}"):
            return importlib.import_module(name)
    except StartError as error:
        if _is_missing(name, error.__cause__):
            advice = "give the right name, or its folder with --app-dir"
            if name.endswith(".py"):
                advice = f"give {name.removesuffix('.py')}:{names}"
            line = f"no module named {name!r} in {folder} or on Python's path; {advice}"
            raise StartError(ExitCode.NO_MODULE, line) from error.__cause__
        path = os.path.join(folder, *name.split("."))
        if advice := package_advice(error.__cause__, path, f"{{}}:{names}"):
            raise StartError(error.code, f"{error.line}; {advice}", error.traceback) from error
        raise


def _is_missing(name: str, cause: BaseException | None) -> bool:
    """Say whether the module itself was not found, as opposed to one that it imports."""
    if not isinstance(cause, ModuleNotFoundError) or cause.name is None:
        return False
    return name == cause.name or name.startswith(cause.name + ".")


def _attribute(found: Any, name: str, target: str) -> Any:
    try:
        return getattr(found, name)
    except AttributeError:
        close = ", ".join(_candidates(found))
        hint = f"it has {close}" if close else "check the name after the colon"
        raise StartError(
            ExitCode.NO_ATTRIBUTE,
            f"{kind_of(found)} has no attribute {name!r}, see {target}; {hint}",
        ) from None


def _candidates(found: Any) -> list[str]:
    """Return public callables that a module defines itself: probably one of them was meant."""
    if not isinstance(found, ModuleType):
        return []
    return [
        name
        for name, value in vars(found).items()
        if not name.startswith("_") and callable(value) and _defined_in(value, found)
    ][:5]


def _defined_in(value: Any, module: ModuleType) -> bool:
    home = getattr(value, "__module__", None)
    if inspect.isclass(value) or inspect.isroutine(value):
        return home == module.__name__
    return type(value).__module__ not in ("typing", "types", "collections.abc")  # made here


def _is_machinery(filename: str) -> bool:
    return filename in _MACHINERY or filename.startswith(
        ("<frozen importlib", "<frozen runpy", _OUR_FOLDER)
    )
