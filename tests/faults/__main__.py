"""Repeat by hand what a fault test tried; see the package's docstring."""

import argparse
import sys

from tests.faults.running import explore
from tests.faults.scenarios import SCENARIOS


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument(
        "faults", nargs="+", metavar="CALL[:ERRNO[:N]]", help="recv:ECONNRESET:3, recv:short, recv"
    )
    parser.add_argument("--loop", default="ngxloop", choices=("ngxloop", "asyncio"))
    parser.add_argument("--depth", type=int, default=2000, help="the last n that is tried")
    arguments = parser.parse_args()
    outcome = explore(
        arguments.scenario, *arguments.faults, loop=arguments.loop, depth=arguments.depth
    )
    print(outcome.output, end="")
    return outcome.code


if __name__ == "__main__":
    sys.exit(main())
