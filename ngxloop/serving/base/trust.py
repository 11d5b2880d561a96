"""Find out whether users other than root can change what a path leads to.

How it works. The path is resolved one component at a time, as the kernel does it. A user that can
write a folder on the way can replace what is in it, so root must own every folder and the file at
the end, and group and others must not have write permission. Every group counts: its bits are the
mask of a POSIX ACL. StrictModes of sshd has the same rule for authorized_keys.

Two cases need a closer look.
1. A sticky folder such as /tmp: others can neither remove nor rename an entry that root owns, so a
   path may lead through it. But everybody can add entries, so modules are not looked up in it, and
   an entry that is missing can be created.
2. A pipe, by /dev/stdin or `<(...)`: an open descriptor that our parent process has passed on.

The trap: between a check and the open that follows, a file can be replaced. So open, read, then
check: others cannot give a folder that they can write to root.
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
_ADVICE = "with --user, the master uses only what root alone can write"


class Text(NamedTuple):
    """What a file held, and why others than root could have written it; empty if they could not."""

    text: str
    fault: str


class Content(NamedTuple):
    """The same of a file that is no text."""

    data: bytes
    fault: str


def read_text(path: str | os.PathLike[str], *, is_regular: bool = False) -> Text:
    """Read a file in UTF-8, once; see read_content().

    Raises:
        OSError: It cannot be read, or has more than MAX_BYTES.
        UnicodeDecodeError: It is not UTF-8.
    """
    content = read_content(path, is_regular=is_regular)
    return Text(content.data.decode("utf-8"), content.fault)


def read_content(path: str | os.PathLike[str], *, is_regular: bool = False) -> Content:
    """Read a file, once; see find_fault().

    Args:
        path: Of the file.
        is_regular: Refuse a FIFO or device, for which the master would wait.

    Raises:
        OSError: It cannot be read, or has more than MAX_BYTES.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if is_regular else 0)
    with open(os.open(path, flags), "rb") as file:
        found = os.fstat(file.fileno())
        if is_regular and not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise OSError(errno.EFBIG, f"more than {MAX_BYTES} bytes")
    return Content(data, _fault_of_opened(path, found))


def find_fault(path: str | os.PathLike[str], *, is_searched: bool = False) -> str:
    """Return what lets others than root change what a path leads to; empty if only root can.

    Args:
        path: A file or folder, which need not be there.
        is_searched: It is a folder in which names are looked up: others must not add to it.
    """
    try:
        here = "/" if os.path.isabs(path) else os.getcwd()
    except FileNotFoundError:
        return f"the working folder, to which {path} is relative, no longer exists"
    return _PathWalk(os.path.join(here, path), is_searched).fault


def first_fault(folders: Iterable[str]) -> str:
    """Return the fault of the first folder that has one, as one to search; see find_fault()."""
    return next(filter(None, (find_fault(one, is_searched=True) for one in folders)), "")


def refusal(fault: str, remedy: str) -> str:
    """Return a fault as the problem of an option, with the remedy."""
    return f"{fault}; {_ADVICE}: {remedy}"


def user_name(uid: int) -> str:
    """Return the name of a user, for messages."""
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"


# Private -----------------------------------------------------------------------------------------


class _PathWalk:
    """Resolves a path, and stops at the first fault."""

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
            self._end(
                f"{place} does not exist, and others could create it" if self._is_sticky else ""
            )
        except OSError as error:
            self._end(f"{place} cannot be examined: {error.strerror}")
        else:
            follow = self._follow if stat.S_ISLNK(found.st_mode) else self._enter
            follow(place, found)

    def _enter(self, place: str, found: os.stat_result) -> None:
        """Examine a folder or the end of the path; below an archive the path does not go on."""
        fault = _fault_of(place, found, is_searched=self._is_searched and not self._names)
        if fault or not stat.S_ISDIR(found.st_mode):
            self._end(fault)
        self._here = place
        self._is_sticky = bool(found.st_mode & stat.S_ISVTX) and _is_open(found)

    def _follow(self, place: str, found: os.stat_result) -> None:
        """Follow a link; in a sticky folder its owner could replace it."""
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
    return fault or ("" if _is_at(path, found) else f"{path} was replaced while it was read")


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
    writers = "everybody" if found.st_mode & stat.S_IWOTH else _group_name(found.st_gid)
    return f"{place} can be written by {writers} (mode {stat.S_IMODE(found.st_mode):04o})"


def _owner_fault(place: str, found: os.stat_result) -> str:
    return f"{place} is owned by {user_name(found.st_uid)}"


def _group_name(gid: int) -> str:
    try:
        return f"group {grp.getgrgid(gid).gr_name}"
    except KeyError:
        return f"group {gid}"
