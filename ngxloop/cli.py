"""The command ngxloop-serve: arguments to a Config, and the Config to a Master."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from ngxloop.prefork import Master
from ngxloop.serving.config import (
    ACCEPT_MODES,
    AUTO,
    DEFAULT_BIND,
    INTERFACES,
    LOG_LEVELS,
    Config,
)
from ngxloop.serving.errors import EXIT_MEANINGS, ConfigError, ExitCode
from ngxloop.serving.logs import complain
from ngxloop.version import __version__

_DESCRIPTION = """\
Serve an asyncio application with one master and several worker processes, each with its own
ngxloop event loop, on shared listening sockets.

APP is MODULE:NAME. It may be an ASGI application, an aiohttp.web.Application, an asyncio.Protocol
class, or a stream handler `async def handle(reader, writer)`.
"""
_SIGNALS = """\
signals to the master:
  TERM, INT, QUIT     drain: accept no more, finish what is in progress, end; again: end at once
  HUP                 reload: new workers with the new code; when all are ready the old ones drain;
                      if one of them fails the old ones go on serving
"""
_EXAMPLES = """\
examples:
  ngxloop-serve shop.web:app --workers 4
  ngxloop-serve shop.web:make_app --factory --bind 0.0.0.0:80 --bind '[::]:80' --workers auto
  ngxloop-serve echo:Echo --bind unix:/run/echo.sock --socket-mode 660
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit with one of errors.ExitCode."""
    try:
        config = parse_arguments(arguments)
    except ConfigError as error:
        name = "APP" if error.option == "app" else f"--{error.option}"
        _end_usage(f"{name}: {error.problem}")
    sys.exit(Master(config).run())


def parse_arguments(arguments: Sequence[str] | None = None) -> Config:
    """Return the configuration that the arguments describe; exits for --help and wrong options.

    Raises:
        ConfigError: An option has a value that cannot be used.
    """
    given = vars(_make_parser().parse_args(arguments))
    return Config(**{name: value for name, value in given.items() if value is not None})


class _Parser(argparse.ArgumentParser):
    """argparse, which ends with one line."""

    def error(self, message: str) -> NoReturn:
        _end_usage(message)


def _end_usage(message: str) -> NoReturn:
    complain(f"{message} (see ngxloop-serve --help)")
    sys.exit(ExitCode.USAGE)


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="ngxloop-serve",
        usage="ngxloop-serve APP [options]",
        description=_DESCRIPTION,
        epilog="\n".join((_SIGNALS, _exit_codes(), _EXAMPLES)),
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
            prog, max_help_position=26, width=100
        ),
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("app", metavar="APP", help="what to serve, as MODULE:NAME")
    _add_application(parser.add_argument_group("application"))
    _add_listening(parser.add_argument_group("listening"))
    _add_workers(parser.add_argument_group("workers"))
    _add_others(parser.add_argument_group("other"))
    return parser


def _add_application(group: Any) -> None:
    group.add_argument(
        "--interface",
        metavar="KIND",
        help=f"what APP is: {', '.join(INTERFACES)} (auto: it is looked at)",
    )
    group.add_argument(
        "--factory",
        action="store_const",
        const=True,
        help="APP is a function, perhaps async, that makes the application; called in each worker",
    )
    group.add_argument("--app-dir", metavar="FOLDER", help="where to look for MODULE first (.)")


def _add_listening(group: Any) -> None:
    group.add_argument(
        "-b",
        "--bind",
        action="append",
        metavar="ADDRESS",
        help="HOST:PORT, [IPV6]:PORT, unix:PATH or fd://N; may be given several times "
        f"({DEFAULT_BIND})",
    )
    group.add_argument(
        "--backlog",
        type=_number,
        metavar="COUNT",
        help=f"connections that may wait to be accepted ({_default('backlog')})",
    )
    group.add_argument(
        "--socket-mode",
        type=_octal,
        metavar="MODE",
        help="permissions of Unix socket files, octal (666)",
    )


def _add_workers(group: Any) -> None:
    group.add_argument(
        "-w",
        "--workers",
        type=_number_or_auto,
        metavar="COUNT",
        help="how many, or auto: the CPUs we may use, by affinity and cgroup quota (1)",
    )
    group.add_argument(
        "--accept",
        metavar="MODE",
        help=f"how workers share connections: {', '.join(ACCEPT_MODES)} ({_default('accept')})",
    )
    group.add_argument(
        "--graceful-timeout",
        type=_seconds,
        metavar="SECONDS",
        help="for work in progress when draining; then it is cancelled "
        f"({_default('graceful_timeout')})",
    )
    group.add_argument(
        "--idle-grace",
        type=_seconds,
        metavar="SECONDS",
        help="when draining, how long idle HTTP connections stay open for a last request, which is "
        f"answered with 'Connection: close' ({_default('idle_grace')})",
    )
    group.add_argument(
        "--start-timeout",
        type=_seconds,
        metavar="SECONDS",
        help=f"for a worker to become ready ({_default('start_timeout')})",
    )


def _add_others(group: Any) -> None:
    group.add_argument(
        "--log-level", metavar="LEVEL", help=f"{', '.join(LOG_LEVELS)} ({_default('log_level')})"
    )
    group.add_argument(
        "--access-log",
        action="store_const",
        const=True,
        help="write a line for each HTTP request to standard output",
    )
    group.add_argument("--version", action="version", version=f"ngxloop {__version__}")
    group.add_argument("-h", "--help", action="help", help="show this page and exit")


def _default(name: str) -> str:
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    value = defaults[name]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _exit_codes() -> str:
    lines = [f"  {code.value:<20}{meaning}" for code, meaning in EXIT_MEANINGS.items()]
    return "\n".join(("exit codes:", *lines, ""))


# Values as Config takes them; what cannot be converted goes there as it is and is refused there.


def _number(text: str) -> int | str:
    return int(text) if text.isascii() and text.isdigit() else text


def _number_or_auto(text: str) -> int | str:
    return text if text == AUTO else _number(text)


def _octal(text: str) -> int | str:
    return int(text, 8) if text and set(text) <= set("01234567") else text


def _seconds(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


if __name__ == "__main__":
    main()
