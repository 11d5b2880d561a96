"""Log files: opened for appending by the master, inherited by workers, opened again by path.

How a file is exchanged. The new one is opened, then dup2() puts it under the number of the old one:
no line is lost in between, and whoever writes knows only the number. nginx: ngx_reopen_files.
The master opens first and gives the file to the user of the workers, who may not create it. A
worker that cannot open it goes on writing to the old file.

Rules for a master that is root with workers of another user, to which the folder may belong, so
that anything can be at the path. 1. The file must be a regular file with one hard link, owned by
root or by that user; a symbolic link at the path is not followed, and open() never waits. 2. A
symbolic link on the way to the folder is followed only where root alone could have created it.
3. Root changes the owner only of a file that it has just created, or of one that it owns in a
folder that only root can write.
Without --user, a file may be anything that can be opened: a device, a FIFO, a link.
"""

import contextlib
import errno
import os
import stat

from ngxloop.serving.base.errors import ConfigError, ExitCode, StartError
from ngxloop.serving.base.trust import MAX_LINKS, OTHERS_WRITE, ROOT_UID, find_fault, user_name

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
_SAFE_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_MODE = 0o644
_OWNER_MAY = stat.S_IRUSR | stat.S_IWUSR
_FOLDER_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_NOT_REGULAR = "it is not a regular file"
_ATTEMPTS = 5  # to open a file that others create and remove meanwhile


class RefusedFileError(OSError):
    """There is something at the path that is not opened, though it could be."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EPERM, reason)


class LogFile:
    """An open log file.

    Args:
        path: Where it is; taken from the folder of now.
        fd: The number under which it is to be open; -1 for any.
        owner_uid: The user of the workers, None if that is our own.

    Raises:
        StartError: It cannot be opened.
    """

    def __init__(self, path: str, fd: int = -1, owner_uid: int | None = None) -> None:
        self.path: str = os.path.abspath(path)
        self.fd: int = fd
        self.owner_uid: int | None = owner_uid
        try:
            self.reopen()
        except OSError as error:
            is_refused = isinstance(error, RefusedFileError)
            advice = "give a regular file" if is_refused else "create its folder"
            line = f"cannot open the log file {self.path}: {error.strerror}; {advice}"
            raise StartError(ExitCode.START_FAILED, line) from error

    def reopen(self) -> None:
        """Open what has the path now, which may be another file, or none yet.

        Raises:
            OSError: It cannot be opened; the old one stays.
        """
        new_fd = _open(self.path, self.owner_uid)
        if self.fd < 0:
            self.fd = new_fd
            return
        try:
            os.dup2(new_fd, self.fd, inheritable=os.get_inheritable(self.fd))
        finally:
            os.close(new_fd)

    def write(self, text: str) -> None:
        """Append a line; what cannot be written is lost, and ends nobody.

        One write() to a file that is open for appending: lines of several workers do not mix.
        """
        data = text.encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(self.fd, data) :]
        except OSError:  # the disk is full, say
            return

    def close(self) -> None:
        """Close it."""
        os.close(self.fd)
        self.fd = -1


def check_log_file(option: str, path: str | None, owner_uid: int | None = None) -> None:
    """Try to open a file that an option names.

    Args:
        option: Its name.
        path: What it says.
        owner_uid: See LogFile.

    Raises:
        ConfigError: It cannot be opened.
    """
    if path is None:
        return
    try:
        os.close(_open(os.path.abspath(path), owner_uid))
    except OSError as error:
        advice = "give a file in a folder where we may write"
        if isinstance(error, RefusedFileError):
            advice = "give a regular file; standard error needs no --error-log"
        raise ConfigError(option, f"cannot open {path!r}: {error.strerror}; {advice}") from None


# Private -----------------------------------------------------------------------------------------


def _open(path: str, owner_uid: int | None) -> int:
    """Open a file for appending, as the rules above say if the workers have a user of their own.

    Raises:
        OSError: It cannot be opened, or is refused.
    """
    if owner_uid is None:
        return os.open(path, _FLAGS, _MODE)
    folder, name = os.path.split(path)
    folder_fd = _open_folder(folder)
    try:
        fd, is_new = _open_in(folder_fd, name)
    finally:
        os.close(folder_fd)
    try:
        _examine(os.fstat(fd), owner_uid)
        if os.geteuid() == ROOT_UID and (is_new or not find_fault(folder, is_searched=True)):
            _give(fd, owner_uid)
        os.set_blocking(fd, True)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _open_folder(path: str, at_fd: int | None = None, depth: int = 0) -> int:
    """Return a descriptor of a folder; each component is opened in the folder before it."""
    fd = os.open("/" if path.startswith("/") else ".", _FOLDER_FLAGS, dir_fd=at_fd)
    for name in filter(None, path.split("/")):
        try:
            next_fd = _open_component(name, fd, depth)
        finally:
            os.close(fd)
        fd = next_fd
    return fd


def _open_component(name: str, at_fd: int, depth: int) -> int:
    """Open a folder in another one; follow a link only if root alone could have put it there."""
    with contextlib.suppress(NotADirectoryError):  # a link is none either
        return os.open(name, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=at_fd)
    try:
        target = os.readlink(name, dir_fd=at_fd)
    except OSError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    folder = os.fstat(at_fd)
    if folder.st_uid != ROOT_UID or folder.st_mode & OTHERS_WRITE or depth == MAX_LINKS:
        raise RefusedFileError(
            f"its folder is reached through {name}, a symbolic link that others could have created"
        )
    return _open_folder(target, at_fd, depth + 1)


def _open_in(folder_fd: int, name: str) -> tuple[int, bool]:
    """Open or create a file; return its descriptor, and True if it was created just now."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(FileExistsError):
            created = _SAFE_FLAGS | os.O_CREAT | os.O_EXCL
            return os.open(name, created, _MODE, dir_fd=folder_fd), True
        try:
            return os.open(name, _SAFE_FLAGS, dir_fd=folder_fd), False
        except FileNotFoundError:  # removed meanwhile
            continue
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise RefusedFileError("it is a symbolic link") from None
            if error.errno == errno.ENXIO:
                raise RefusedFileError(_NOT_REGULAR) from None
            raise
    raise RefusedFileError("it is created and removed again and again")


def _examine(found: os.stat_result, owner_uid: int) -> None:
    """Refuse what could be something else than a log, see the rules above."""
    if not stat.S_ISREG(found.st_mode):
        raise RefusedFileError(_NOT_REGULAR)
    if found.st_nlink != 1:
        raise RefusedFileError("it has another hard link, or was removed")
    if found.st_uid not in (ROOT_UID, owner_uid):
        raise RefusedFileError(f"it is owned by {user_name(found.st_uid)}")


def _give(fd: int, uid: int) -> None:
    """Let the user open it for writing."""
    found = os.fstat(fd)
    if found.st_uid != uid:
        os.fchown(fd, uid, -1)
    if found.st_mode & _OWNER_MAY != _OWNER_MAY:
        os.fchmod(fd, stat.S_IMODE(found.st_mode) | _OWNER_MAY)
