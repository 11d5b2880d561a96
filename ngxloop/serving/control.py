"""The control socket: commands as lines of JSON, answers too; for `ngxloop-serve ctl`.

    {"command": "scale", "count": 4}
    {"ok": true, "result": null}  or  {"ok": false, "error": "why"}

Only our user can connect: the file has mode 0600 from its first moment.
"""

import json
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.namedfile import NamedFile
from ngxloop.serving.poller import Poller
from ngxloop.serving.sessions import SESSION_COUNT, Sessions
from ngxloop.serving.socketfiles import file_identity, is_dead_socket

Command = Callable[[Mapping[str, Any]], Any]
_OTHERS = 0o177  # what nobody else may


class CommandError(Exception):
    """A command that is not done, and why."""


class Control(NamedFile):
    """The control socket of a master.

    Raises:
        StartError: It cannot be opened.
    """

    def __init__(self, path: str, poller: Poller, commands: Mapping[str, Command]) -> None:
        self._commands = commands
        place = os.path.abspath(path)
        try:
            self._sock = _listen(place)
        except OSError as error:
            reason = error.strerror or str(error)
            line = f"cannot open the control socket {path}: {reason}; choose another place"
            raise StartError(ExitCode.BAD_ADDRESS, line) from error
        super().__init__(place, file_identity(place))
        self._sessions = Sessions(poller, self._sock, b"\n", self._answer)

    def close(self) -> None:
        """End all conversations, and remove the file if it is still ours."""
        self._sessions.close()
        self._sock.close()
        self.remove()

    def close_in_worker(self) -> None:
        """Close a worker's copies."""
        self._sessions.close_in_worker()
        self._sock.close()

    def _answer(self, question: bytes) -> bytes:
        try:
            answer = {"ok": True, "result": self._obey(question)}
        except CommandError as error:
            answer = {"ok": False, "error": str(error)}
        return json.dumps(answer).encode() + b"\n"

    def _obey(self, question: bytes) -> Any:
        try:
            asked = json.loads(question)
            name = asked["command"]
        except (ValueError, KeyError, TypeError):
            raise CommandError('not a command; send {"command": "status"}') from None
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None:
            raise CommandError(f"no command {name!r}; there are {', '.join(self._commands)}")
        return command(asked)


def _listen(path: str) -> socket.socket:
    """Return a listening socket at the path, in the place of a dead one's file at most."""
    if is_dead_socket(path):
        os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    old_mask = os.umask(_OTHERS)
    try:
        sock.bind(path)
        sock.listen(SESSION_COUNT)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(old_mask)
    return sock
