"""Where the control socket of a master is if no file is named for it: one for each user and name.

    $NGXLOOP_RUNTIME_DIR, if it is set
    /run/ngxloop for root, $XDG_RUNTIME_DIR/ngxloop for others
    /tmp/ngxloop-UID, if there is no such folder and it cannot be made

Rule. The folder is ours and nobody else may write in it, or it is not used: somebody may have made
one with this name in /tmp. So a client that finds a socket there speaks to a master of its own
user.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping

from ngxloop.serving.config.environment import RUNTIME_VARIABLE
from ngxloop.serving.options.application import MODULE_FLAG
from ngxloop.serving.sockets.namedfile import OLD_SUFFIX
from ngxloop.serving.sockets.socketfiles import is_dead_socket, is_socket_file

_ENDING = ".sock"
_OTHERS = 0o022  # what nobody else may: make files there. The socket itself is closed to others
_MODE = 0o700
_UNUSUAL = re.compile(r"[^\w.:@-]", re.ASCII)
_NAME_BYTES = 48  # a path of a socket has at most 107


def default_name(app: str) -> str:
    """Return the name of a master that has none: what it serves."""
    name = os.path.basename(os.path.normpath(app.removeprefix(MODULE_FLAG)))
    return _UNUSUAL.sub("_", name)[-_NAME_BYTES:].lstrip(".") or "_"


def make_path(name: str, environment: Mapping[str, str]) -> str | None:
    """Return the path for a control socket, in a folder that is there; None if none can be used."""
    for folder in find_folders(environment):
        try:
            os.makedirs(folder, _MODE, exist_ok=True)
        except OSError:
            continue
        if _is_ours(folder):
            return _path(folder, name)
    return None


def find_sockets(name: str | None, environment: Mapping[str, str]) -> list[str]:
    """Return the control sockets of masters that run: all of ours, or those with a name."""
    found = [path for folder in find_folders(environment) for path in _sockets(folder)]
    return [path for path in found if name is None or name_of(path) == name]


def name_of(path: str) -> str:
    """Return the name of the master whose control socket has a path."""
    return os.path.basename(path).removesuffix(OLD_SUFFIX).removesuffix(_ENDING)


def _sockets(folder: str) -> Iterator[str]:
    if not _is_ours(folder):
        return
    names = {file.removesuffix(OLD_SUFFIX) for file in os.listdir(folder)}
    for name in sorted(name for name in names if name.endswith(_ENDING)):
        path = os.path.join(folder, name)
        # A master that starts a new one keeps the other name until that has made its own socket.
        yield from [one for one in (path, path + OLD_SUFFIX) if _is_live(one)][:1]


def _is_live(path: str) -> bool:
    try:
        return is_socket_file(path) and not is_dead_socket(path)
    except OSError:  # its master has just ended
        return False


def find_folders(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the folders that are searched, best first."""
    if named := environment.get(RUNTIME_VARIABLE):
        yield os.path.abspath(named)
        return
    user = os.geteuid()
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    if user == 0:
        yield "/run/ngxloop"
    elif os.path.isabs(runtime) and _is_ours(runtime):
        yield f"{runtime}/ngxloop"
    yield f"/tmp/ngxloop-{user}"


def _path(folder: str, name: str) -> str:
    return os.path.join(folder, name + _ENDING)


def _is_ours(folder: str) -> bool:
    """Say whether a folder belongs to us, and only we may write in it."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    is_closed = stat.S_ISDIR(found.st_mode) and not stat.S_IMODE(found.st_mode) & _OTHERS
    return is_closed and found.st_uid == os.geteuid()
