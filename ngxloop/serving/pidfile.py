"""The file with the master's process id: written whole, never over a living owner's, locked.

How the owner is known. It holds a record lock on the file (fcntl(2), F_SETLK), which the kernel
gives up when the process ends, however it ends, which a forked worker does not inherit, and which
stays with the file when that is renamed. So whoever reads the file asks the kernel for the holder
(F_GETLK) instead of trusting a number that may be another program's by now.

The trap: closing any descriptor of the file in the owner gives the lock up. The owner never opens
it again; it compares device and inode.
"""

import contextlib
import fcntl
import os
import struct
import tempfile

from ngxloop.serving.errors import ExitCode, StartError

OLD_SUFFIX = ".oldbin"  # nginx: NGX_OLDPID_EXT
_FLOCK = struct.Struct("hhqqi4x")  # struct flock: l_type, l_whence, l_start, l_len, l_pid
_MODE = 0o644


class Pidfile:
    """The pid file of this process."""

    def __init__(self, path: str) -> None:
        """Write the file.

        Raises:
            StartError: A running master owns it, or it cannot be written.
        """
        self._path = os.path.abspath(path)
        self._is_old = False
        self._pid = os.getpid()
        try:
            self._fd = self._write()
        except OSError as error:
            reason = error.strerror or str(error)
            line = f"cannot write the pid file {path}: {reason}; choose another place"
            raise StartError(ExitCode.START_FAILED, line) from error
        found = os.fstat(self._fd)
        self._identity = found.st_dev, found.st_ino

    def give_way(self) -> None:
        """Leave the name to a successor: a new master that is started now writes its own file."""
        if not self._is_old and self._is_ours(self._path):
            os.rename(self._path, self._path + OLD_SUFFIX)
            self._is_old = True

    def take_back(self) -> None:
        """The successor is gone, and has removed its file or died: have the name again."""
        if self._is_old and self._is_ours(self._path + OLD_SUFFIX):
            os.rename(self._path + OLD_SUFFIX, self._path)
            self._is_old = False

    def close(self) -> None:
        """Remove the file if it is still ours, and give up the lock."""
        path = self._path + OLD_SUFFIX if self._is_old else self._path
        if os.getpid() == self._pid and self._is_ours(path):
            os.unlink(path)
        os.close(self._fd)

    def _write(self) -> int:
        """Return the descriptor of a locked file that stands at the path."""
        folder, name = os.path.split(self._path)
        fd, draft = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
        try:
            os.write(fd, b"%d\n" % self._pid)
            os.fchmod(fd, _MODE)
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._put(draft)
        except BaseException:
            os.close(fd)
            raise
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)
        return fd

    def _put(self, draft: str) -> None:
        """Give the draft its name, in the place of a dead owner's file at most."""
        try:
            os.link(draft, self._path)
        except FileExistsError:
            stale = os.open(self._path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                # Locked, so that of two who find it stale at the same time one gives up.
                fcntl.lockf(stale, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.rename(draft, self._path)
            except BlockingIOError:
                pid = lock_holder(self._path)
                line = f"the pid file {self._path} belongs to process {pid}, which runs"
                advice = "end that one first, or choose another file"
                raise StartError(ExitCode.START_FAILED, f"{line}; {advice}") from None
            finally:
                os.close(stale)

    def _is_ours(self, path: str) -> bool:
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == self._identity


def lock_holder(path: str) -> int:
    """Return the process that owns a pid file, 0 if nobody does.

    Raises:
        OSError: There is no such file, or we may not read it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    finally:
        os.close(fd)
    return 0 if kind == fcntl.F_UNLCK else pid
