"""The file with the master's process id: written whole, never over a living owner's, locked.

How the owner is known. It holds a record lock on the file (fcntl(2), F_SETLK), which the kernel
gives up when the process ends, however it ends, which a forked worker does not inherit, and which
stays with the file when that is renamed. So whoever reads the file asks the kernel for the holder
(F_GETLK) instead of trusting a number that may be another program's by now.

The trap: closing any descriptor of the file in the owner gives the lock up. The owner never opens
it again; it compares device and inode. A child may close its copy: the lock is not the child's.
It does so at once (process.keep_private), or a worker that has given up root could write the file.
"""

import contextlib
import errno
import fcntl
import os
import stat
import struct
import tempfile

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.process.process import close_private, keep_private
from ngxloop.serving.sockets.namedfile import NamedFile

_FLOCK = struct.Struct("hhqqi4x")  # struct flock: l_type, l_whence, l_start, l_len, l_pid
_MODE = 0o644


class Pidfile(NamedFile):
    """The pid file of this process."""

    def __init__(self, path: str) -> None:
        """Write the file.

        Raises:
            StartError: A running master owns it, or it cannot be written.
        """
        place = os.path.abspath(path)
        try:
            self._fd = _write(place)
        except OSError as error:
            reason = error.strerror or str(error)
            line = f"cannot write the pid file {path}: {reason}; choose another path"
            raise StartError(ExitCode.USAGE, line) from error
        keep_private(self._fd)
        found = os.fstat(self._fd)
        super().__init__(place, (found.st_dev, found.st_ino))

    def close(self) -> None:
        """Remove the file if it is still ours, and give up the lock."""
        self.remove()
        close_private(self._fd)


def lock_holder(path: str) -> int:
    """Return the process that owns a pid file, 0 if no process does.

    Raises:
        OSError: The file does not exist, or cannot be read. A link or a FIFO is refused: root
            would signal any process that has locked its target.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(fd, fcntl.F_GETLK, asked))
    finally:
        os.close(fd)
    return 0 if kind == fcntl.F_UNLCK else pid


def _write(path: str) -> int:
    """Return the descriptor of a locked file that stands at the path."""
    folder, name = os.path.split(path)
    fd, draft = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
    try:
        os.write(fd, b"%d\n" % os.getpid())
        os.fchmod(fd, _MODE)
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _put(draft, path)
    except BaseException:
        os.close(fd)
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
    return fd


def _put(draft: str, path: str) -> None:
    """Give the draft its name, in the place of a dead owner's file at most."""
    try:
        os.link(draft, path)
    except FileExistsError:
        stale = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            # Locked, so that of two who find it stale at the same time one gives up.
            fcntl.lockf(stale, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(draft, path)
        except BlockingIOError:
            pid = lock_holder(path)
            line = f"the pid file {path} belongs to process {pid}, which runs"
            advice = "stop it first, or choose another file"
            raise StartError(ExitCode.USAGE, f"{line}; {advice}") from None
        finally:
            os.close(stale)
