"""Who a worker is: user, group and supplementary groups, found in the master, set in a worker.

Order (nginx: ngx_worker_process_init): the groups first, for which root is needed, then the user.
After setuid() the kernel takes the process for one that holds secrets: no core file, /proc owned by
root. PR_SET_DUMPABLE undoes that, as nginx does; what root had in memory, the worker has anyway.
"""

import ctypes
import dataclasses
import grp
import os
import pwd
from collections.abc import Mapping

from ngxloop.serving.base.errors import ConfigError

NOBODY = 65534  # the user and group that have no rights: filesystems map unknown ones to it
_PR_SET_DUMPABLE = 4  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass(frozen=True)
class Identity:
    """A user and its groups, by number."""

    uid: int
    gid: int
    name: str  # for initgroups(); empty if the user is known by number only

    def drop_privileges(self) -> None:
        """Become this user, for good.

        Raises:
            OSError: The kernel refuses.
        """
        os.setgid(self.gid)
        if self.name:
            os.initgroups(self.name, self.gid)
        else:
            os.setgroups([self.gid])
        os.setuid(self.uid)
        set_dumpable(True)

    def variables(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return HOME, USER and LOGNAME of this user, where the environment has ours or none.

        Others are the operator's choice. A user without a name has the home that login(1) gives.
        """
        ours, theirs = _login_of(os.geteuid()), _login_of(self.uid)
        return {
            name: value
            for name, value in theirs.items()
            if environment.get(name, ours[name]) == ours[name]
        }


def is_less_privileged(identity: Identity | None) -> bool:
    """Say whether we are root and an identity is not; for a process that still has its own.

    Only root has an identity to change to.
    """
    return identity is not None and identity.uid != 0


def set_dumpable(is_dumpable: bool) -> None:
    """Let processes of our user trace this one and read its memory; or only root.

    A crash leaves a core file, or none.
    """
    _libc.prctl(_PR_SET_DUMPABLE, int(is_dumpable), 0, 0, 0)


def refuse_new_privileges() -> None:
    """Let no program that we or our children execute have more rights: setuid bits do nothing.

    Raises:
        OSError: The kernel refuses.
    """
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"prctl(PR_SET_NO_NEW_PRIVS) failed: {os.strerror(errno)}")


def find_identity(user: str | None, group: str | None) -> Identity | None:
    """Return who the options --user and --group mean; None if that is who we are.

    Raises:
        ConfigError: There is no such user or group, or we may not become it.
    """
    if user is None and group is None:
        return None
    uid, gid, name = _current() if user is None else _find_user(user)
    if group is not None:
        gid = find_group(group)
    if os.geteuid() != 0:
        if (uid, gid) == (os.geteuid(), os.getegid()):
            return None
        option, wanted = ("user", user) if user is not None else ("group", group)
        advice = "start as root, or leave it out"
        raise ConfigError(option, f"only root can run workers as {wanted!r}; {advice}")
    return Identity(uid, gid, name)


def find_socket_owner(user: str | None, group: str | None) -> tuple[int, int]:
    """Return the numbers that --socket-user and --socket-group mean; -1 for what is not given.

    Raises:
        ConfigError: There is no such user or group, or we may not give a file to it.
    """
    uid = -1 if user is None else find_user(user, "socket-user")
    gid = -1 if group is None else find_group(group, "socket-group")
    if os.geteuid() != 0 and uid not in (-1, os.geteuid()):
        raise ConfigError("socket-user", f"only root can give a socket to {user!r}; start as root")
    if os.geteuid() != 0 and gid not in (-1, os.getegid(), *os.getgroups()):
        advice = "become a member of it, or start as root"
        raise ConfigError("socket-group", f"{group!r} is not one of our groups; {advice}")
    return uid, gid


def find_user(user: str, option: str = "user") -> int:
    """Return the number of a user, who is named or numbered.

    Raises:
        ConfigError: There is none of that name.
    """
    return _find_user(user, option)[0]


def find_group(group: str, option: str = "group") -> int:
    """Return the number of a group, which is named or numbered.

    Raises:
        ConfigError: There is none of that name.
    """
    if group.isascii() and group.isdigit():
        return _number(group, option)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        advice = "create it (groupadd), or give another"
        raise ConfigError(option, f"there is no group {group!r}; {advice}") from None


def _find_user(user: str, option: str = "user") -> tuple[int, int, str]:
    if user.isascii() and user.isdigit():
        uid = _number(user, option)
        try:
            found = pwd.getpwuid(uid)
        except KeyError:  # containers have such: a number that no file names
            return uid, uid, ""
    else:
        try:
            found = pwd.getpwnam(user)
        except KeyError:
            advice = "create it (useradd --system), or give another"
            raise ConfigError(option, f"there is no user {user!r}; {advice}") from None
    return found.pw_uid, found.pw_gid, found.pw_name


def _current() -> tuple[int, int, str]:
    return _find_user(str(os.geteuid()))


def _login_of(uid: int) -> dict[str, str]:
    try:
        found = pwd.getpwuid(uid)
    except KeyError:
        return {"HOME": "/", "USER": str(uid), "LOGNAME": str(uid)}
    return {"HOME": found.pw_dir, "USER": found.pw_name, "LOGNAME": found.pw_name}


def _number(digits: str, option: str) -> int:
    """Return a user or group number; the last one means "leave it" to the kernel."""
    if int(digits) >= 2**32 - 1:
        raise ConfigError(option, f"{digits} is too large for a number of users and groups")
    return int(digits)
