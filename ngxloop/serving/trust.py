"""Whether anybody but root can change what a path leads to; for a master that is root.

How it works. The path is resolved one component at a time, as the kernel does it. Whoever may write
a folder on the way can put something else there, so every folder must belong to root and be closed
to group and others; so must what stands at the end. The group counts whichever it is: POSIX ACLs
show in its bits, too. sshd's StrictModes asks the same of authorized_keys.

Two cases need a closer look.
1. A sticky folder, as /tmp: an entry of root's can be neither removed nor renamed by others, so the
   way may lead through it. But anybody can add to it, so it is no folder to search (for modules),
   and what is not there yet can appear.
2. What comes out of a pipe, as /dev/stdin or `<(...)`: that is an open descriptor, which whoever
   started us has handed over.

The trap: to check first and open afterwards leaves a moment in between. So open, read, then check:
a folder that others may write cannot have become root's meanwhile.
"""

import errno
import grp
import os
import pwd
import stat
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT_UID = 0
MAX_LINKS = 40  # linux/namei.h: MAXSYMLINKS
MAX_BYTES = 2**20  # of a file of options or variables
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ADVICE = "root obeys only what nobody else can write while --user is set"


class Text(NamedTuple):
    """What a file held, and why others than root could have written it; empty if they could not."""

    text: str
    fault: str


def read_text(path: str | os.PathLike[str], *, is_regular: bool = False) -> Text:
    """Read a file in UTF-8, once; see find_fault().

    Args:
        path: Of the file.
        is_regular: Refuse a FIFO or device, for which the master would wait.

    Raises:
        OSError: It cannot be read, or has more than MAX_BYTES.
        UnicodeDecodeError: It is not UTF-8.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if is_regular else 0)
    with open(os.open(path, flags), "rb") as file:
        found = os.fstat(file.fileno())
        if is_regular and not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"more than {MAX_BYTES} bytes")
    return Text(data.decode("utf-8"), _fault_of_opened(path, found))


def find_fault(path: str | os.PathLike[str], *, is_searched: bool = False) -> str:
    """Return what lets others than root change what a path leads to; empty if only root can.

    Args:
        path: A file or folder, which need not be there.
        is_searched: It is a folder in which names are looked up: nobody else may add to it.
    """
    try:
        here = "/" if os.path.isabs(path) else os.getcwd()
    except FileNotFoundError:
        return f"the working folder, from which {path} counts, is gone"
    return _Way(os.path.join(here, path), is_searched).fault


def first_fault(folders: Iterable[str]) -> str:
    """Return the fault of the first folder that has one, as one to search; see find_fault()."""
    return next(filter(None, (find_fault(one, is_searched=True) for one in folders)), "")


def refusal(fault: str, remedy: str) -> str:
    """Return a fault as the problem of an option, with what to do."""
    return f"{fault}; {_ADVICE}: {remedy}"


def user_name(uid: int) -> str:
    """Return what people call a user."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


# Private -----------------------------------------------------------------------------------------


class _Way:
    """Goes along a path, and stops at the first fault."""

    def __init__(self, path: str, is_searched: bool) -> None:
        self.fault = ""
        self._is_searched = is_searched
        self._here, self._is_sticky = "/", False
        self._names = deque(_names(path))
        self._link_count = 0
        self._enter("/", os.lstat("/"))
        while self._names:
            self._step(self._names.popleft())

    def _end(self, fault: str = "") -> None:
        self.fault = fault
        self._names.clear()

    def _step(self, name: str) -> None:
        here = self._here
        place = os.path.dirname(here) if name == ".." else os.path.join(here, name)
        try:
            found = os.lstat(place)
        except FileNotFoundError:
            self._end(f"{place} could be created by everybody" if self._is_sticky else "")
        except OSError as error:
            self._end(f"{place} cannot be examined: {error.strerror}")
        else:
            follow = self._follow if stat.S_ISLNK(found.st_mode) else self._enter
            follow(place, found)

    def _enter(self, place: str, found: os.stat_result) -> None:
        """Take a folder, or the end; or an archive, behind which there is a place in it."""
        fault = _fault_of(place, found, is_searched=self._is_searched and not self._names)
        if fault or not stat.S_ISDIR(found.st_mode):
            self._end(fault)
        self._here = place
        self._is_sticky = bool(found.st_mode & stat.S_ISVTX) and _is_open(found)

    def _follow(self, place: str, found: os.stat_result) -> None:
        """Go where a link leads; in a sticky folder its owner could exchange it."""
        self._link_count += 1
        target = os.readlink(place)
        if self._is_sticky and found.st_uid != ROOT_UID:
            self._end(_owner_fault(place, found))
        elif self._link_count > MAX_LINKS:
            self._end(f"{place} leads through too many symbolic links")
        elif _is_open_descriptor(self._here, target):
            self._end()
        else:
            self._names.extendleft(reversed(_names(target)))
            if target.startswith("/"):
                self._here, self._is_sticky = "/", False


def _fault_of_opened(path: str | os.PathLike[str], found: os.stat_result) -> str:
    """Return the fault of a path that was opened just now."""
    if not stat.S_ISREG(found.st_mode):
        return find_fault(path)
    fault = _fault_of(str(path), found, is_searched=False) or find_fault(path)
    return fault or ("" if _is_at(path, found) else f"{path} was exchanged while it was read")


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]


def _is_at(path: str | os.PathLike[str], found: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), found)
    except FileNotFoundError:
        return False


def _is_open(found: os.stat_result) -> bool:
    return bool(found.st_mode & OTHERS_WRITE)


def _is_open_descriptor(here: str, target: str) -> bool:
    """Say whether a link of /proc/PID/fd stands for what has no path: pipe:[1], socket:[1]."""
    return Path(here).match("/proc/*/fd") and not target.startswith("/")


def _fault_of(place: str, found: os.stat_result, *, is_searched: bool) -> str:
    """Return what lets others change a file or folder itself."""
    if found.st_uid != ROOT_UID:
        return _owner_fault(place, found)
    is_sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX and not is_searched
    if not _is_open(found) or is_sticky:
        return ""
    who = "everybody" if found.st_mode & stat.S_IWOTH else _group_name(found.st_gid)
    return f"{place} can be written by {who} (mode {stat.S_IMODE(found.st_mode):04o})"


def _owner_fault(place: str, found: os.stat_result) -> str:
    return f"{place} belongs to {user_name(found.st_uid)}"


def _group_name(gid: int) -> str:
    try:
        return f"group {grp.getgrgid(gid).gr_name}"
    except KeyError:
        return f"group {gid}"
