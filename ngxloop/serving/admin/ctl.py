"""ngxloop-serve ctl: control a running master, or show its state.

Over its control socket: the one that is named, or the one at its default path. Or, if a pid file is
named, by signals to the process that owns it.
"""

import argparse
import json
import os
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from ngxloop.serving.admin.defaultsocket import find_folders, find_sockets, name_of
from ngxloop.serving.admin.reports import prometheus, stub, table
from ngxloop.serving.base.errors import ConfigError, ExitCode
from ngxloop.serving.base.plaintext import one_line
from ngxloop.serving.base.timing import REPEAT_SECONDS
from ngxloop.serving.config.config import OPTIONS
from ngxloop.serving.config.config_file import find_file, read_file
from ngxloop.serving.config.environment import CONFIG_VARIABLE
from ngxloop.serving.handover.pidfile import lock_holder
from ngxloop.serving.logs.logs import complain
from ngxloop.serving.logs.output import write
from ngxloop.serving.options.master import NO_SOCKET
from ngxloop.serving.sockets.namedfile import OLD_SUFFIX

_SIGNALS = {
    "quit": signal.SIGQUIT,
    "reload": signal.SIGHUP,
    "reopen": signal.SIGUSR1,
    "upgrade": signal.SIGUSR2,
}
_COMMANDS = {
    "stop": "stop at once, without draining",
    "quit": "drain, then exit",
    "reload": "reload code and configuration; waits until the new workers serve",
    "reopen": "reopen the log files",
    "upgrade": "start a new master on the same sockets; waits until it serves",
    "scale": "set the number of workers to N; waits until they serve",
    "status": "show the state of the master and its workers",
}
_MASTER_OPTIONS = {
    "--name": ("NAME", "name of the server, if several are running"),
    "--control-socket": ("FILE", "control socket of the master"),
    "--pidfile": ("FILE", "pid file, without a control socket"),
    "--config": ("FILE", "configuration file with one of them"),
}
_ANSWER_SECONDS = 10.0
_MARGIN_SECONDS = 0.1  # between two signals, over the time in which they count as one
_AWAITED = ("reload", "upgrade", "scale")
_UNKNOWN_OUTCOME = "signal sent; only a control socket tells the outcome: see the master's log\n"
_FORMATS = {"stub": stub, "prometheus": prometheus}


class _NotDoneError(Exception):
    """The command was not done, and why."""


def control(arguments: Sequence[str]) -> int:
    """Do what the arguments after `ctl` say; return the exit code."""
    given = _parse(arguments)
    try:
        paths = _Paths(given)
        control_socket, pidfile = _existing(paths.control_socket), _existing(paths.pidfile)
        if control_socket is not None and os.path.exists(control_socket):
            return write(_ask(control_socket, given))
        if pidfile is not None:
            return write(_signal(pidfile, given.command))
        if control_socket is not None:
            problem = f"there is no control socket {control_socket}; is the master running?"
            raise _NotDoneError(problem)
        return write(_ask(_find_master(paths.name), given))
    except (_NotDoneError, ConfigError) as error:
        complain(one_line(f"ctl {given.command}: {error}"))
        return ExitCode.NOT_DONE


def _existing(path: str | None) -> str | None:
    """Return a path, or the name that it has until a new master has made its own."""
    if path is None or os.path.exists(path) or not os.path.exists(path + OLD_SUFFIX):
        return path
    return path + OLD_SUFFIX


class _Paths:
    """Where the master is to be found: by option, environment or configuration file."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._file = _read_config(given.config)
        self.control_socket = self._find(given.control_socket, "control_socket")
        self.pidfile = self._find(given.pidfile, "pidfile")
        self.name = self._find(given.name, "name")
        if given.name is not None:  # it says which master; the others may say another
            self.control_socket, self.pidfile = given.control_socket, given.pidfile
        if self.control_socket == NO_SOCKET:
            self.control_socket = None

    def _find(self, option: str | None, name: str) -> str | None:
        return option or os.environ.get(f"NGXLOOP_{name.upper()}") or self._file.get(name)


def _find_master(name: str | None) -> str:
    """Return the control socket of the only master that runs, or of the one with this name."""
    found = find_sockets(name, os.environ)
    if not found and name is not None:
        raise _NotDoneError(
            f"no server of this user is named {name!r} ({_searched()}); is it running?"
        )
    if not found:
        advice = "give the --control-socket or --pidfile of the master"
        raise _NotDoneError(f"no server of this user runs ({_searched()}); {advice}")
    if len(found) > 1:
        names = ", ".join(map(name_of, found))
        raise _NotDoneError(f"several servers run: {names}; give --name")
    return found[0]


def _searched() -> str:
    return f"looked for control sockets in {' and '.join(find_folders(os.environ))}"


def _read_config(named: str | None) -> dict[str, Any]:
    path = named or os.environ.get(CONFIG_VARIABLE)
    found = Path(path) if path else find_file(Path.cwd())
    if found is None:
        return {}
    return {name: one.value for name, one in read_file(found, "--config", OPTIONS).given.items()}


# Over the control socket ---------------------------------------------------------------------


def _ask(path: str, given: argparse.Namespace) -> str:
    """Have the command done, and return what there is to say."""
    if given.command == "status":
        return _show(_send(path, command="status"), given)
    seconds = getattr(given, "timeout", _ANSWER_SECONDS)
    count = {"count": given.count} if given.command == "scale" else {}
    _send(path, seconds, command=given.command, **count)
    return ""


def _show(snapshot: Any, given: argparse.Namespace) -> str:
    if given.json:
        return json.dumps(snapshot, indent=2) + "\n"
    return _FORMATS[given.format](snapshot) if given.format else table(snapshot) + "\n"


def _send(path: str, seconds: float = _ANSWER_SECONDS, **command: Any) -> Any:
    """Send one command and return its result; the master answers when there is an outcome."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(seconds)
        try:
            sock.connect(path)
            sock.sendall(json.dumps(command).encode() + b"\n")
            with sock.makefile("rb") as stream:
                answered = stream.readline()
        except TimeoutError as error:
            line = f"not complete after {seconds:g} s; see the master's log"
            raise _NotDoneError(line) from error
        except OSError as error:
            reason = error.strerror or str(error)
            raise _NotDoneError(f"{path}: {reason}; is the master running?") from error
    if not answered:
        raise _NotDoneError(f"{path}: no answer; see the master's log")
    answer = json.loads(answered)
    if not answer["ok"]:
        raise _NotDoneError(answer["error"])
    return answer["result"]


# By signals ----------------------------------------------------------------------------------


def _signal(pidfile: str, command: str) -> str:
    """Send the owner of the pid file what means the command, and return what there is to say."""
    if command == "stop":  # TERM drains, or ends at once as in nginx; the second always does
        _kill(pidfile, signal.SIGTERM)
        time.sleep(REPEAT_SECONDS + _MARGIN_SECONDS)  # sooner it counts as the same signal
        _kill(pidfile, signal.SIGTERM, is_gone_good=True)
    elif command in _SIGNALS:
        _kill(pidfile, _SIGNALS[command])
    else:
        raise _NotDoneError("this needs the control socket: start the master with --control-socket")
    return _UNKNOWN_OUTCOME if command in _AWAITED else ""  # a signal has no answer


def _kill(pidfile: str, number: signal.Signals, is_gone_good: bool = False) -> None:
    """Send a signal to the process that holds the lock of the file, and to no other."""
    try:
        pid = lock_holder(pidfile)
        if not pid:
            raise _NotDoneError(
                f"no process holds the pid file {pidfile}: the master is not running"
            )
        fd = os.pidfd_open(pid)
        try:
            if lock_holder(pidfile) != pid:  # it ended, and its id may have been given again
                raise ProcessLookupError
            signal.pidfd_send_signal(fd, number)
        finally:
            os.close(fd)
    except (ProcessLookupError, FileNotFoundError, _NotDoneError) as error:
        if is_gone_good:
            return
        if isinstance(error, _NotDoneError):
            raise
        raise _NotDoneError(f"{pidfile}: no such master is running") from error
    except OSError as error:
        raise _NotDoneError(f"{pidfile}: {error.strerror}") from error


# Arguments -----------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """argparse, which ends with one line."""

    def error(self, message: str) -> NoReturn:
        complain(f"ctl: {message} (see ngxloop-serve ctl --help)")
        raise SystemExit(ExitCode.USAGE)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="ngxloop-serve ctl",
        description="Control a running ngxloop-serve, or show its state. By default, the "
        "only one that runs as this user.",
        allow_abbrev=False,
    )
    for name, (metavar, text) in _MASTER_OPTIONS.items():
        parser.add_argument(name, metavar=metavar, help=text)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    parsers = {name: commands.add_parser(name, help=text) for name, text in _COMMANDS.items()}
    for one in parsers.values():  # they are accepted after the command, too
        for name in _MASTER_OPTIONS:
            one.add_argument(name, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    parsers["scale"].add_argument("count", type=_count, metavar="N")
    for name in _AWAITED:
        parsers[name].add_argument(
            "--timeout",
            type=float,
            default=120.0,
            metavar="SECONDS",
            help="time to wait for the result",
        )
    formats = parsers["status"].add_mutually_exclusive_group()
    formats.add_argument("--json", action="store_true", help="as JSON, for programs")
    for name in _FORMATS:
        formats.add_argument(
            f"--{name}", dest="format", action="store_const", const=name, help=f"as {name} text"
        )
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of workers")
    return int(text)
