"""python -m tests.stress SEED: random work of every kind in one process; 0 if nothing was wrong.

Rounds of a new loop each follow each other until the time is over. On failure the seed, what is
wrong and the last notes are printed. NGXLOOP_TEST_LOOP=asyncio:SelectorEventLoop has asyncio's
loop tried, which does not keep all that ngxloop promises.

How to look for memory that is used when it is gone, or never freed:

    PYTHONMALLOC=debug python -X dev -m tests.stress 1 --gc-threshold 1
"""

import argparse
import faulthandler
import gc
import signal
import sys
import time
import warnings

from tests.stress.acts import ACTS
from tests.stress.rounds import run_round
from tests.stress.world import DEADLINE, World


def main() -> int:
    """Run rounds; return the exit code."""
    options = read_options()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the jobs of a shell ignore it
    warnings.simplefilter("always")
    gc.collect()
    gc.freeze()
    if options.gc_threshold:
        gc.set_threshold(options.gc_threshold)
    print(f"seed {options.seed}", flush=True)  # a crash must not hide it
    counts = [0, 0]
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        if 0 < options.rounds <= counts[0]:
            break
        faulthandler.dump_traceback_later(10 * DEADLINE, exit=True)
        world = run_round(options.seed, counts[0], end, options.only or list(ACTS))
        if world.failures:
            print_failures(world)
            return 1
        counts = [counts[0] + 1, counts[1] + sum(world.act_counts.values())]
    faulthandler.cancel_dump_traceback_later()
    print(f"seed {options.seed}: {counts[0]} rounds with {counts[1]} acts, nothing wrong")
    return 0


def read_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress")
    parser.add_argument("seed", type=int, help="what is done follows from it")
    parser.add_argument("--seconds", type=float, default=10, help="no acts begin later (10)")
    parser.add_argument("--rounds", type=int, default=0, help="so many at most")
    parser.add_argument("--gc-threshold", type=int, default=0, help="for gc.set_threshold()")
    parser.add_argument("--only", type=names, help="acts to choose from, with commas between")
    return parser.parse_args()


def names(text: str) -> list[str]:
    """Return the names of acts in a text."""
    found = text.split(",")
    if unknown := set(found) - set(ACTS):
        raise argparse.ArgumentTypeError(f"{unknown} is none of {', '.join(ACTS)}")
    return found


def print_failures(world: World) -> None:
    """Print what a person needs to look for the cause."""
    print(f"seed {world.seed}, round {world.number}: the last notes", file=sys.stderr)
    print(*world.trace, sep="\n", file=sys.stderr)
    print(f"\nseed {world.seed}, round {world.number}: what is wrong", file=sys.stderr)
    print(*world.failures, sep="\n", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
