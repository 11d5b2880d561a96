"""Copy files so that a reader never finds half of one; mirror the sources into another folder.

python scripts/files.py FOLDER    make FOLDER hold the sources of the working directory, as they are
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

# What is made and what belongs to git is no source.
_MADE = {"build", "dist", "__pycache__"}
_MADE_SUFFIXES = {".so", ".pyc", ".key", ".new"}


def place(source: Path, target: Path) -> None:
    """Copy a file unless it is there already, with its times and mode."""
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    shutil.copy2(source, new)
    new.replace(target)


def _is_source(name: str) -> bool:
    hidden = name.startswith(".") and name not in {".ci", ".gitignore"}
    made = name in _MADE or name.endswith(".egg-info") or Path(name).suffix in _MADE_SUFFIXES
    return not hidden and not made


def sources(root: Path) -> Iterator[Path]:
    """Yield the sources of a checkout, relative to it: regular files and links to them."""
    for folder, folders, names in os.walk(root):
        folders[:] = filter(_is_source, folders)
        for name in filter(_is_source, names):
            if (path := Path(folder, name)).is_file():
                yield path.relative_to(root)


def _same(one: Path, other: Path) -> bool:
    if not other.exists():
        return False
    first, second = one.stat(), other.stat()
    return (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)


def mirror(source: Path, target: Path) -> None:
    """Copy what differs in size or time, and remove what the sources no longer have."""
    target.mkdir(parents=True, exist_ok=True)
    wanted = set(sources(source))
    for path in set(sources(target)) - wanted:
        (target / path).unlink()
    for path in wanted:
        if not _same(source / path, target / path):
            place(source / path, target / path)
            shutil.copystat(source / path, target / path)


if __name__ == "__main__":
    mirror(Path(), Path(sys.argv[1]))
