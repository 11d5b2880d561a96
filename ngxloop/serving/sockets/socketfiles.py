"""The files of Unix sockets: which may be removed, and when; they are removed only here.

How a dead socket is known. The kernel finds the socket of a file by its inode, and compares the
types afterwards: a datagram socket that connects to the file gets ECONNREFUSED if there is none,
EPROTOTYPE if there is one of another type, whether it listens already or not (unix_find_bsd() of
net/unix/af_unix.c). No server is disturbed, to which a stream socket would be a client.

Rule: a path is looked at without following a link at its end, as bind(2) does.
"""

import contextlib
import errno
import os
import socket
import stat

from ngxloop.serving.logs.logs import log


def remove_file(path: str, identity: tuple[int, int]) -> None:
    """Remove our file, if it is still ours; one that cannot be removed is left, and logged."""
    try:
        _remove(path, identity)
    except FileNotFoundError:
        return
    except OSError as error:  # what else is to be closed and removed is not kept by this one
        log.warning("cannot remove %s: %s; remove it by hand", path, error.strerror)


def _remove(path: str, identity: tuple[int, int]) -> None:
    """Do so; both steps use the same folder, even if another one has its name meanwhile."""
    folder, name = os.path.split(path)
    folder_fd = os.open(folder or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
        if (found.st_dev, found.st_ino) == identity:
            os.unlink(name, dir_fd=folder_fd)
    finally:
        os.close(folder_fd)


def give_socket_file(path: str, uid: int, gid: int) -> None:
    """Give a socket file that we have just made to user and group; -1 leaves one as it is.

    A process that may write to the folder can exchange the file meanwhile, even for a link to
    another one. So the file is held by a descriptor, examined, and changed through that.

    Raises:
        OSError: EEXIST for another file, or what chown() raises.
    """
    if uid == gid == -1:
        return
    fd = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(fd)
        if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
            raise OSError(errno.EEXIST, "another file has taken the place of the socket's")
        os.chown(f"/proc/self/fd/{fd}", uid, gid)  # of that file, even if it was renamed
    finally:
        os.close(fd)


def is_dead_socket(path: str) -> bool:
    """Say whether a path is the file of a socket that no process has open any more."""
    return is_socket_file(path) and not _has_socket(path)


def is_socket_file(path: str) -> bool:
    """Say whether a path is the file of a socket, and no link to one."""
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except OSError:
        return False


def unlink_dead_socket(path: str) -> bool:
    """Remove the file of a socket that no process has open any more; False if it is another file.

    Raises:
        OSError: It cannot be removed.
    """
    is_dead = is_dead_socket(path)
    if is_dead:
        os.unlink(path)
    return is_dead


def remove_dead_socket(path: str) -> None:
    """Remove such a file if it can be; leave all else as it is."""
    with contextlib.suppress(OSError):  # bind() says what is in the way
        identity = file_identity(path)
        if is_dead_socket(path):
            remove_file(path, identity)


def _has_socket(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError as error:
            if error.errno in (errno.EPROTOTYPE, errno.EACCES):
                return True
            raise
    return True


def file_identity(path: str) -> tuple[int, int]:
    """Return device and inode: what stays the same while a file is not replaced."""
    found = os.lstat(path)
    return found.st_dev, found.st_ino
