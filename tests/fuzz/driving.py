"""What all fuzzers share: inputs until the time is over, what is wrong made short, the corpus."""

import argparse
import random
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from tests.fuzz.corpus import read_corpus, write_corpus

# A longer input is not altered further, and not kept.
KEPT_BYTES_MAX = 400

Check = Callable[[bytes], object]


class Inputs(Protocol):
    """Random inputs; the known ones are altered further."""

    known: list[bytes]

    def input(self) -> bytes:
        """Return an input."""

    def cuts(self, data: bytes) -> list[bytes]:
        """Cut an input at random places."""


class Target(NamedTuple):
    """What is fuzzed."""

    name: str  # of the module in tests.fuzz, and of the corpus
    generator: Callable[[int, list[bytes]], Inputs]  # from a seed and the known inputs
    unwanted: Callable[[bytes, list[bytes]], list[str]]  # what is wrong with an input and its cuts
    signature: Check  # in what way an input ends


def single_bytes(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def shortened(data: bytes, check: Check) -> bytes:
    """Remove what can be removed while the check says the same."""
    expected = check(data)
    size = max(1, len(data) // 2)
    while size:
        place = 0
        while place < len(data):
            shorter = data[:place] + data[place + size :]
            if check(shorter) == expected:
                data = shorter
            else:
                place += size
        size //= 2
    return data


def fuzz(target: Target, seed: int, seconds: float, *, keep: bool) -> int:
    """Try inputs until the time is over; return the exit code."""
    kept = read_corpus(target.name)
    make = target.generator(seed, kept)
    seen = {target.signature(data) for data in kept}
    new: list[bytes] = []
    count = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = make.input()
        count += 1
        if wrong := target.unwanted(data, make.cuts(data)):
            report(target, seed, data, wrong)
            return 1
        if len(data) <= KEPT_BYTES_MAX and (found := target.signature(data)) not in seen:
            seen.add(found)
            make.known.append(data)
            new.append(data)
    print(f"seed {seed}: {count} inputs, {len(seen)} ways to end, {len(new)} new; nothing wrong")
    if keep:
        short = (shortened(data, target.signature) for data in new)
        write_corpus(target.name, [*kept, *short])
    return 0


def report(target: Target, seed: int, data: bytes, wrong: list[str]) -> None:
    """Print an input with what is wrong, and as short as it is wrong in the same way.

    What is wrong in pieces alone is not shortened.
    """

    def same(shorter: bytes) -> list[str]:
        return [text.partition(",")[0] for text in target.unwanted(shorter, [shorter])]

    short = shortened(data, same) if same(data) else data
    print(f"seed {seed}: {data!r}", *wrong, f"shortened: {short!r}", sep="\n")


def run(target: Target) -> int:
    """Run with the options of the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.fuzz.{target.name}")
    parser.add_argument("--seconds", type=float, default=20, help="time for new inputs (20)")
    parser.add_argument("--seed", type=int, help="what is tried follows from it (random)")
    parser.add_argument("--keep", action="store_true", help="add inputs that end in a new way")
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    return fuzz(target, seed, options.seconds, keep=options.keep)
