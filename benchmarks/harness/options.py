"""The arguments of `python -m benchmarks`."""

import argparse
from pathlib import Path
from typing import NoReturn

DESCRIPTION = """\
Measure event loops side by side and print one table per question. Without arguments every
question is measured on every loop. Raw figures are kept in benchmarks/results/."""

SMOKE_HELP = """\
the first and the last case of every question once, briefly, on asyncio and ngxloop;
exit code 1 if a case fails"""


class Parser(argparse.ArgumentParser):
    """Answers a wrong argument with one line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"benchmarks: {message} (--help shows all options)\n")


def parse_options(arguments: list[str]) -> argparse.Namespace:
    """Parse; a wrong argument ends the process with one line."""
    parser = Parser("python -m benchmarks", description=DESCRIPTION)
    add = parser.add_argument
    add("questions", nargs="*", metavar="question[:case]", help="what to measure (see --list)")
    add("--loops", metavar="A,B", help="compare these loops only")
    add("--rounds", type=_count, metavar="N", help="rounds (default: 5)")
    add("--seconds", type=_seconds, metavar="S", help="seconds per measurement (default: 1)")
    add("--smoke", action="store_true", help=SMOKE_HELP)
    add("--json", type=Path, metavar="FILE", help="keep the raw figures in FILE")
    add("--list", action="store_true", help="show questions, cases and loops")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, not {text!r}")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:  # noqa: PLR2004 - an hour is more than anyone waits for
        raise argparse.ArgumentTypeError(f"must be seconds above 0, at most 3600, not {text!r}")
    return value
