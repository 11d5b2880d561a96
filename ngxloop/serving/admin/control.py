"""The control socket: commands as lines of JSON, answers too; for `ngxloop-serve ctl`.

    {"command": "scale", "count": 4}
    {"ok": true, "result": null}  or  {"ok": false, "error": "why"}

Only our user can connect: the file has mode 0600 from its first moment. All the same a command is
data from outside: it is JSON of RFC 8259, in UTF-8, an object with few and short values.
"""

import json
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any

from ngxloop.serving.admin.requestserver import (
    BACKLOG,
    REQUEST_BYTES,
    RequestProtocol,
    RequestServer,
)
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.plaintext import one_line
from ngxloop.serving.process.closing import refuse_descriptors
from ngxloop.serving.process.poller import Poller
from ngxloop.serving.sockets.namedfile import NamedFile
from ngxloop.serving.sockets.socketfiles import file_identity, remove_file, unlink_dead_socket

# Called with the fields of a command and what takes the outcome, now or later: a problem, or the
# result if there is none.
Command = Callable[[Mapping[str, Any], Callable[[str, Any], None]], None]
_OTHERS = 0o177  # what nobody else may
_BRACKETS = 16  # opening ones of all commands; that bounds the recursion of the parser
_DIGITS = 18  # of a number: it fits 64 bits


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
            self._sock, identity = _listen(place)
        except OSError as error:
            reason = error.strerror or str(error)
            line = f"cannot open the control socket {path}: {reason}; choose another path"
            is_denied = isinstance(error, PermissionError)
            code = ExitCode.NO_PERMISSION if is_denied else ExitCode.BAD_ADDRESS
            raise StartError(code, line) from error
        super().__init__(place, identity)
        protocol = RequestProtocol(
            HandlerName.CONTROL_LISTENER,
            HandlerName.CONTROL_CONNECTION,
            end=b"\n",
            answer=self._answer,
            too_long=_refusal(f"a command has at most {REQUEST_BYTES} bytes"),
        )
        try:
            self._server = RequestServer(poller, self._sock, protocol)
        except BaseException:
            self._sock.close()
            self.remove()
            raise

    def close(self) -> None:
        """End all conversations, and remove the file if it is still ours."""
        self._server.close()
        self._sock.close()
        self.remove()

    def close_in_worker(self) -> None:
        """Close a worker's copies."""
        self._server.close_in_worker()
        self._sock.close()

    def _answer(self, request: bytes, reply: Callable[[bytes], None]) -> None:
        def tell(problem: str, result: Any = None) -> None:
            answer = {"ok": True, "result": result}
            reply(_refusal(problem) if problem else json.dumps(answer).encode() + b"\n")

        try:
            self._execute(request, tell)
        except CommandError as error:
            reply(_refusal(str(error)))

    def _execute(self, request: bytes, tell: Callable[[str, Any], None]) -> None:
        asked = _parse(request)
        name = asked.get("command")
        command = self._commands.get(name) if isinstance(name, str) else None
        if command is None:
            known = ", ".join(self._commands)
            raise CommandError(f"unknown command {one_line(repr(name), 60)}; there are {known}")
        command(asked, tell)


def _refusal(error: str) -> bytes:
    return json.dumps({"ok": False, "error": error}).encode() + b"\n"


def _parse(request: bytes) -> dict[str, Any]:
    """Return the object that a command is.

    Raises:
        CommandError: It is none.
    """
    try:
        if request.count(b"[") + request.count(b"{") > _BRACKETS:
            raise ValueError("it nests too deeply")
        asked = json.loads(
            request.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_constant=_refuse_constant,
        )
        if not isinstance(asked, dict):
            raise ValueError("it is not an object")
    except ValueError as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        line = f'not a command: {one_line(why, 100)}; send {{"command": "status"}}'
        raise CommandError(line) from None
    if "command" not in asked:
        raise CommandError('not a command: it has no "command"; send {"command": "status"}')
    return asked


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key occurs twice")
    return fields


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number has more than {_DIGITS} digits")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _listen(path: str) -> tuple[socket.socket, tuple[int, int]]:
    """Return a listening socket and its file, which takes the place of a dead one's at most."""
    unlink_dead_socket(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    identity: tuple[int, int] | None = None
    try:
        old_mask = os.umask(_OTHERS)
        try:
            sock.bind(path)
        finally:
            os.umask(old_mask)
        identity = file_identity(path)
        refuse_descriptors(sock)
        sock.listen(BACKLOG)
    except BaseException:
        if identity is not None:
            remove_file(path, identity)
        sock.close()
        raise
    return sock, identity
