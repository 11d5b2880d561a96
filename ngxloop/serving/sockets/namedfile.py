"""A file by whose name a master is found: its successor gets the name, and gives it back.

nginx renames its pid file so, and for the same reason: both masters run for a while, and the new
one is to be found at the name that everybody knows.
"""

import contextlib
import os

from ngxloop.serving.sockets.socketfiles import file_identity, remove_file

OLD_SUFFIX = ".oldbin"  # nginx: NGX_OLDPID_EXT


class NamedFile:
    """The name, as long as the file that stands there is the one that we have made."""

    def __init__(self, path: str, identity: tuple[int, int]) -> None:
        self._path = path
        self._identity = identity
        self._pid = os.getpid()
        self._is_old = False

    def rename_aside(self) -> None:
        """Leave the name to a successor: a new master that is started now makes its own file."""
        if not self._is_old and self._is_ours(self._path):
            os.rename(self._path, self._old_path)
            self._is_old = True

    def restore(self) -> None:
        """The successor is gone, and has removed its file or died: have the name again."""
        if self._is_old and self._is_ours(self._old_path):
            os.rename(self._old_path, self._path)
            self._is_old = False

    def remove(self) -> None:
        """Remove the file if it is still ours; a forked process leaves it alone."""
        if os.getpid() == self._pid:
            remove_file(self._old_path if self._is_old else self._path, self._identity)

    @property
    def _old_path(self) -> str:
        return self._path + OLD_SUFFIX

    def _is_ours(self, path: str) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return file_identity(path) == self._identity
        return False
