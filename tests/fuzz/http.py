"""python -m tests.fuzz.http: the HTTP parsers on random inputs, beside h11 and httptools.

Each input is parsed whole, byte by byte, and in random pieces, which must give the same; then it is
compared with what h11 and httptools make of it. A difference that tests.fuzz.differences does not
have ends the run with exit code 1, and the input is shown, made as short as it can be.

Inputs that end in a new way are altered further. --keep adds them to the corpus, from which each
run begins.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Iterator

from tests.fuzz.comparing import Difference, compare
from tests.fuzz.corpus import read_corpus, write_corpus
from tests.fuzz.differences import WANTED
from tests.fuzz.generating import Generator
from tests.fuzz.outcomes import ngxloop_outcome

CORPUS = "http"
# A longer input is not altered further, and not kept.
KEPT_BYTES_MAX = 400
# Inputs of the usual size reach these.
LOW_LIMITS = {
    "target_bytes_max": 8,
    "field_line_bytes_max": 24,
    "fields_bytes_max": 60,
    "field_count_max": 3,
    "body_bytes_max": 7,
}

Check = Callable[[bytes], object]


def single_bytes(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def unwanted(data: bytes, pieces: list[bytes]) -> list[str]:
    """Return what is wrong with how an input is understood."""
    wrong = [*unlike(data, pieces), *unlike(data, pieces, **LOW_LIMITS)]
    found = compare(data, ngxloop_outcome([data]))
    return wrong + [
        f"no reason for {difference}" for difference in found if difference not in WANTED
    ]


def unlike(data: bytes, pieces: list[bytes], **limits: int) -> Iterator[str]:
    """Yield how an input is understood when it comes in pieces, if not as it is whole."""
    whole = ngxloop_outcome([data], **limits)
    for way, cut in (
        ("byte by byte", single_bytes(data)),
        (f"in pieces of {[len(piece) for piece in pieces]} bytes", pieces),
    ):
        if (found := ngxloop_outcome(cut, **limits)) != whole:
            yield f"{way}, with limits {limits}, it is {found}, whole {whole}"


def signature(data: bytes) -> tuple[Difference | object, ...]:
    """Return in what way an input ends."""
    ours = ngxloop_outcome([data])
    return (ours.end, ours.reason, *compare(data, ours))


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


def fuzz(seed: int, seconds: float, *, keep: bool) -> int:
    """Try inputs until the time is over; return the exit code."""
    kept = read_corpus(CORPUS)
    make = Generator(seed, kept)
    seen = {signature(data) for data in kept}
    new: list[bytes] = []
    count = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = make.input()
        count += 1
        pieces = make.cuts(data)
        if wrong := unwanted(data, pieces):
            report(seed, data, wrong)
            return 1
        if len(data) <= KEPT_BYTES_MAX and (found := signature(data)) not in seen:
            seen.add(found)
            make.known.append(data)
            new.append(data)
    print(f"seed {seed}: {count} inputs, {len(seen)} ways to end, {len(new)} new; nothing wrong")
    if keep:
        write_corpus(CORPUS, [*kept, *(shortened(data, signature) for data in new)])
    return 0


def report(seed: int, data: bytes, wrong: list[str]) -> None:
    def same(shorter: bytes) -> list[str]:
        return [text.partition(",")[0] for text in unwanted(shorter, [shorter])]

    short = shortened(data, same) if same(data) else data
    print(f"seed {seed}: {data!r}", *wrong, f"shortened: {short!r}", sep="\n")


def main() -> int:
    """Run with the options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.http")
    parser.add_argument("--seconds", type=float, default=20, help="time for new inputs (20)")
    parser.add_argument("--seed", type=int, help="what is tried follows from it (random)")
    parser.add_argument("--keep", action="store_true", help="add inputs that end in a new way")
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    return fuzz(seed, options.seconds, keep=options.keep)


if __name__ == "__main__":
    sys.exit(main())
