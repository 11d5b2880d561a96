"""Options from the command line, and its help page: argparse, fed from the table of options.

What follows a program is the program's own, as with python itself; everything else may stand in any
order. Arguments for other applications follow --.
"""

import argparse
import dataclasses
import os
import shutil
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

from ngxloop.serving.base.errors import EXIT_MEANINGS
from ngxloop.serving.base.optionvalue import OptionValue
from ngxloop.serving.options.application import MODULE_FLAG, is_script
from ngxloop.serving.options.table import Option, similar
from ngxloop.version import __version__

_DESCRIPTION = """\
Run an asyncio application in several worker processes that share their listening sockets, each
with its own ngxloop event loop. A master process replaces workers that fail, and reloads the code
without losing a request.

APP is one of:
  MODULE:NAME             an ASGI application, an aiohttp.web.Application, an asyncio.Protocol
                          class, a stream handler `async def handle(reader, writer)`, or an
                          `async def main()` that binds its own addresses
  SCRIPT.py, FOLDER,      a program that binds its own addresses. It runs unchanged in each worker,
  -m MODULE, COMMAND      and the workers share the addresses

options to start with:
  --bind HOST:PORT        where to listen (127.0.0.1:8000, or all addresses and $PORT)
  --workers COUNT         number of worker processes; auto: one for each CPU (1)
  --reload                for development: reload when a Python file changes
"""
_SOURCES = """\
Each option can also be set in the environment (--graceful-timeout 5 is NGXLOOP_GRACEFUL_TIMEOUT=5)
or in a file (graceful-timeout = 5): ngxloop.toml, or [tool.ngxloop] in pyproject.toml. The command
line overrides the environment, which overrides the file; --no-factory undoes --factory.
"""
_SIGNALS = """\
signals to the master:
  TERM, INT, QUIT     accept no more connections, finish what is in progress, exit; a second signal
                      exits at once
  HUP                 reload configuration file and code: new workers start, and the old ones
                      drain when all of the new ones are ready. If one fails, the old ones go on
  USR1                reopen the log files
  USR2                upgrade: start a new master on the same sockets; then send QUIT to one of them
  TTIN, TTOU          add or remove a worker
  WINCH               if there is no terminal: stop the workers but keep the sockets; HUP starts
                      workers again
"""
_COMMANDS = """\
other commands:
  ngxloop-serve ctl stop|quit|reload|reopen|upgrade|scale N|status
                      control a running master, or show its state
  ngxloop-serve check APP [options]
                      check options, users, limits and APP without serving
"""
_EXAMPLES = """\
examples:
  ngxloop-serve shop.web:app --workers 4
  ngxloop-serve shop.web:make_app --factory --bind '[::]:80' --workers auto
  ngxloop-serve echo:Echo --bind unix:/run/echo.sock --socket-mode 660
  ngxloop-serve --workers 4 server.py --port 8000
  ngxloop-serve --workers 4 -m shop --port 8000
"""
_LOG_SUFFIXES = (".log", ".txt", ".json")


@dataclasses.dataclass(frozen=True)
class CommandLine:
    """What the command line says."""

    given: dict[str, OptionValue]  # by the name of the option
    config_file: str | None
    is_print_wanted: bool


class UsageError(Exception):
    """The command line cannot be understood."""


def parse_command_line(options: Sequence[Option], arguments: Sequence[str]) -> CommandLine:
    """Return what the arguments say; --help and --version print and exit.

    Raises:
        UsageError: There is no such option, or one lacks its value.
    """
    ours, program, own = _split_arguments(options, arguments)
    found, unknown = _make_parser(options).parse_known_args(ours)
    if unknown:
        raise UsageError(_unknown(options, unknown))
    values = vars(found)
    config_file, is_print_wanted = values.pop("config", None), values.pop("print_config", False)
    if program is not None:
        values["app"] = program
    if own:
        values["arguments"] = own
    by_name = {option.name: option for option in options}
    given = {name: _given(by_name[name], value) for name, value in values.items()}
    return CommandLine(given, config_file, is_print_wanted)


class _Parser(argparse.ArgumentParser):
    """argparse, which leaves it to us to end."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class _Split(NamedTuple):
    """A command line in parts."""

    ours: list[str]  # for argparse
    program: str | None  # APP, if it is one
    arguments: list[str]  # those of the program


def _split_arguments(options: Sequence[Option], words: Sequence[str]) -> _Split:
    """Find the program, after which nothing is ours; an option that may go without has its value.

    Raises:
        UsageError: -m is the last word.
    """
    with_value = {flag for option in options if option.takes_value for flag in _flags(option)}
    with_value.add("--config")
    bare = {option.flag: option.bare for option in options if option.bare}
    ours: list[str] = []
    rest = deque(words)
    has_app = False
    while rest:
        word = rest.popleft()
        if word == "--":
            return _Split(ours, None, list(rest))
        if not has_app and (program := _program(word, rest)):
            return _Split(ours, program, list(rest))
        has_app = has_app or not word.startswith("-")
        ours.append(f"{word}={_value(rest, bare[word], has_app)}" if word in bare else word)
        if word in with_value and rest:
            ours.append(rest.popleft())
    return _Split(ours, None, [])


def _program(word: str, rest: deque[str]) -> str | None:
    """Return the program that a word is, or the word after -m; None if it is something else."""
    if word == MODULE_FLAG.strip():
        if not rest:
            raise UsageError("-m: expected the name of a module")
        return MODULE_FLAG + rest.popleft()
    return word if is_script(word) and not word.startswith("-") else None


def _value(rest: deque[str], bare: str, has_app: bool) -> str:
    """Return the value of an option that may go without: - is one, too.

    The next word is one if it cannot be APP, or an option.
    """
    word = rest[0] if rest else "-"
    is_file = not word.startswith("-") and (has_app or not _looks_like_app(word))
    return rest.popleft() if rest and (is_file or word == "-") else bare


def _looks_like_app(word: str) -> bool:
    if ":" in word or word.endswith(".py"):
        return True
    is_file = os.path.isfile(word) and not word.endswith(_LOG_SUFFIXES)
    return is_file or os.path.isdir(word) or bool(shutil.which(word))


def _flags(option: Option) -> list[str]:
    return [option.short, option.flag] if option.short else [option.flag]


def _given(option: Option, value: Any) -> OptionValue:
    """Convert what argparse has collected: a text, a list of texts, or a bool."""
    where = "APP" if option.is_positional else option.flag
    kind = option.kind
    if isinstance(value, str):
        value = kind.from_text(value)
    elif kind.item is not None and value is not None:
        value = tuple(map(kind.item.from_text, value))
    return OptionValue(value, where)


def _unknown(options: Sequence[Option], words: list[str]) -> str:
    word = next((word for word in words if word.startswith("-")), words[0])
    name = word.partition("=")[0]
    if not name.startswith("-"):
        return f"unrecognized arguments: {' '.join(words)}"
    return f"unknown option {name}{similar(name, [option.flag for option in options])}"


def _make_parser(options: Sequence[Option]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ngxloop-serve",
        usage="ngxloop-serve APP [options], or ngxloop-serve [options] PROGRAM [its arguments]",
        description=_DESCRIPTION,
        epilog="\n".join((_SOURCES, _COMMANDS, _SIGNALS, _exit_codes(), _EXAMPLES)),
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=26, width=100
        ),
        allow_abbrev=False,
        add_help=False,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("app", metavar="APP", nargs="?", help=argparse.SUPPRESS)
    groups: dict[str, Any] = {}
    for option in options:
        if not option.is_positional:
            group = groups.get(option.group) or parser.add_argument_group(option.group)
            groups[option.group] = group
            _add_option(group, option)
    _add_others(parser.add_argument_group("other"))
    return parser


def _add_option(group: Any, option: Option) -> None:
    kind, text, metavar = option.kind, _help(option), option.kind.metavar
    if kind.is_flag:
        group.add_argument(*_flags(option), action="store_true", help=text)
        group.add_argument(
            f"--no-{option.key}", dest=option.name, action="store_false", help=argparse.SUPPRESS
        )
        return
    if option.bare:
        group.add_argument(
            f"--no-{option.key}",
            dest=option.name,
            action="store_const",
            const=None,
            help=argparse.SUPPRESS,
        )
        metavar = f"[={kind.metavar}]"
    action = "store" if kind.item is None else "append"
    group.add_argument(*_flags(option), dest=option.name, metavar=metavar, action=action, help=text)


def _help(option: Option) -> str:
    default = default_text(option)
    text = f"{option.meaning} ({default})" if default else option.meaning
    return text.replace("%", "%%")


def default_text(option: Option) -> str:
    """Return what a user would write to get the default; nothing if that is nothing."""
    if option.default is None or option.default is False or option.default in ("", ()):
        return ""
    if option.kind.is_flag:
        return "yes"
    if option.kind.item is not None:
        return ", ".join(map(str, option.default))
    return option.kind.show(option.default).removeprefix("0o").strip('"')


def _add_others(group: Any) -> None:
    group.add_argument("--config", metavar="FILE", help="read options from this TOML file")
    group.add_argument(
        "--print-config",
        action="store_true",
        help="print every option as TOML, with the source of its value, and exit",
    )
    group.add_argument(
        "--version",
        action="version",
        version=f"ngxloop {__version__}",
        help="show the version and exit",
    )
    group.add_argument("-h", "--help", action="help", help="show this help and exit")


def _exit_codes() -> str:
    lines = [f"  {code.value:<20}{meaning}" for code, meaning in EXIT_MEANINGS.items()]
    return "\n".join(("exit codes:", *lines, ""))
