"""Listening sockets that systemd has opened for us: sd_listen_fds_with_names(3), without a library.

LISTEN_PID says for whom they are, LISTEN_FDS how many there are, from descriptor 3 on, and
LISTEN_FDNAMES what they are called, between colons (FileDescriptorName= of the socket unit).
"""

import os
from collections.abc import Mapping

_FIRST_FD = 3  # SD_LISTEN_FDS_START
ALL = "systemd:"  # the --bind value for all of them
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


def has_passed_fds(environment: Mapping[str, str]) -> bool:
    """Say whether there are sockets for this process."""
    count = environment.get("LISTEN_FDS", "")
    is_some = count.isdecimal() and int(count) > 0
    return is_some and environment.get("LISTEN_PID") == str(os.getpid())


def passed_fds(environment: Mapping[str, str], name: str = "") -> list[int]:
    """Return the descriptors with this name, or all.

    Raises:
        OSError: None were passed, or none with this name; the text says what there is.
    """
    pid, count = environment.get("LISTEN_PID", ""), environment.get("LISTEN_FDS", "")
    if not count.isdecimal() or int(count) == 0:
        raise OSError(0, "systemd has passed no sockets (LISTEN_FDS is not set)")
    if pid != str(os.getpid()):
        raise OSError(0, f"the sockets are for process {pid or '?'} (LISTEN_PID), not for this one")
    fds = range(_FIRST_FD, _FIRST_FD + int(count))
    if not name:
        return list(fds)
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    found = [fd for fd, its_name in zip(fds, names, strict=False) if its_name == name]
    if not found:
        there_are = ", ".join(filter(None, names)) or "no names (LISTEN_FDNAMES is not set)"
        raise OSError(0, f"systemd has passed no socket of that name; there are {there_are}")
    return found
