"""python -m tests.cpython MODULE...: run modules of the interpreter's own asyncio tests."""

import argparse
import subprocess
import sys

from tests.cpython.runner import print_report, run_module
from tests.cpython.swap import ASYNCIO

DEFAULT_LOOP = "ngxloop:EventLoop"


def main() -> int:
    """Run one module here, several each in a process of its own; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.cpython", description=__doc__)
    parser.add_argument("modules", nargs="+", metavar="MODULE", help="for instance test_streams")
    parser.add_argument(
        "--loop",
        default=DEFAULT_LOOP,
        metavar="MODULE:CLASS",
        help=f"the loop to test (default: {DEFAULT_LOOP}; {ASYNCIO} is asyncio's own)",
    )
    parser.add_argument("--only", metavar="TEXT", help="only tests whose id contains this")
    options = parser.parse_args()
    if len(options.modules) > 1:
        command = [sys.executable, "-m", "tests.cpython", "--loop", options.loop]
        return max(subprocess.call([*command, module]) for module in options.modules)
    report = run_module(options.modules[0], options.loop, options.only)
    print_report(options.modules[0], options.loop, report)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
