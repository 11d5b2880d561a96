"""python -m tests.fuzz.http: the HTTP parsers on random inputs, beside h11 and httptools.

Each input is parsed whole, byte by byte, and in random pieces, which must give the same; then it is
compared with what h11 and httptools make of it. A difference that tests.fuzz.differences does not
have ends the run with exit code 1, and the input is shown, made as short as it can be.

Inputs that end in a new way are altered further. --keep adds them to the corpus, from which each
run begins.
"""

import sys
from collections.abc import Iterator

from tests.fuzz.comparing import Difference, compare
from tests.fuzz.differences import WANTED
from tests.fuzz.driving import Target, run, single_bytes
from tests.fuzz.generating import Generator
from tests.fuzz.outcomes import ngxloop_outcome

CORPUS = "http"
# Inputs of the usual size reach these.
LOW_LIMITS = {
    "target_bytes_max": 8,
    "field_line_bytes_max": 24,
    "fields_bytes_max": 60,
    "field_count_max": 3,
    "body_bytes_max": 7,
}


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


TARGET = Target(CORPUS, Generator, unwanted, signature)

if __name__ == "__main__":
    sys.exit(run(TARGET))
