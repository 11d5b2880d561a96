"""Import only what root alone can write, in a master that is root with workers that are not.

Two parts. import_fault() examines the folders of sys.path, the modules that are already loaded, and
the files that the interpreter reads when it starts: itself, pyvenv.cfg and .pth files. It is called
before a start, a reload or an upgrade, which can then be refused. From then on the guard is the
first finder (sys.meta_path) and examines each module before it is executed: folders deep in a
package, bytecode, the targets of an import hook of an editable installation. A worker removes the
guard when it has given up root.
"""

import contextlib
import importlib.abc
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

from ngxloop.serving.base.trust import find_fault, first_fault


class UntrustedError(ImportError):
    """A module is not imported: users other than root could have written it."""


class _Guard(importlib.abc.MetaPathFinder):
    """Asks the other finders, and examines what they have found."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find else None
            if spec is not None:
                if fault := _spec_fault(spec):
                    raise UntrustedError(fault, name=name)
                return spec
        return None


_guard = _Guard()


def set_guard() -> None:
    """Examine every module that is imported from now on."""
    if _guard not in sys.meta_path:
        sys.meta_path.insert(0, _guard)


def is_guarded() -> bool:
    """Say whether imports are examined."""
    return _guard in sys.meta_path


def remove_guard() -> None:
    """Examine nothing any more; for a process that has given up root."""
    if _guard in sys.meta_path:
        sys.meta_path.remove(_guard)


def import_fault() -> str:
    """Return what lets users other than root change what we import; empty if only root can."""
    folders = first_fault(sys.path)
    return folders or next(filter(None, (*map(find_fault, _start_files()), *_module_faults())), "")


# Private -----------------------------------------------------------------------------------------


def _start_files() -> Iterator[str]:
    """Yield what the interpreter reads before it runs any code of ours; see the module site."""
    executable = os.path.abspath(sys.executable)
    yield executable
    for folder in (os.path.dirname(executable), os.path.dirname(os.path.dirname(executable))):
        yield os.path.join(folder, "pyvenv.cfg")
    for folder in sys.path:
        with contextlib.suppress(OSError):  # missing, or an archive
            names = os.listdir(folder or ".")
            yield from (os.path.join(folder, name) for name in names if name.endswith(".pth"))


def _module_faults() -> Iterator[str]:
    """Yield the fault, which may be empty, of each file and folder once."""
    files, folders = set(), set()
    for module in list(sys.modules.values()):
        spec = getattr(module, "__spec__", None)
        for file in (getattr(module, "__file__", None), *_files_of(spec)):
            if isinstance(file, str):
                files.add(file)
                folders.add(os.path.dirname(os.path.abspath(file)))
    for folder in folders:
        yield find_fault(folder, is_searched=True)
    for file in files:
        yield find_fault(file)


def _spec_fault(spec: ModuleSpec) -> str:
    """Return what is wrong with the file of a module, or with the folders of a package.

    The folder of the bytecode counts even if there is none: others could put it there before the
    module is loaded.
    """
    folders = list(spec.submodule_search_locations or ())
    files = list(_files_of(spec))
    places = [*files, spec.cached] if files and isinstance(spec.cached, str) else files
    folders += [os.path.dirname(os.path.abspath(file)) for file in places]
    return first_fault(folders) or next(filter(None, map(find_fault, files)), "")


def _files_of(spec: ModuleSpec | None) -> Iterator[str]:
    """Yield source or library, and the bytecode that would run in its place."""
    if spec is None or not spec.has_location:
        return
    if isinstance(spec.origin, str):
        yield spec.origin
    if isinstance(spec.cached, str) and os.path.exists(spec.cached):
        yield spec.cached
