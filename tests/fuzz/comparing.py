"""Where ngxloop's parsers differ from h11 and httptools on an input.

A Difference is known by the other parser, by its kind, and by a key:

- stricter: ngxloop refuses a request that the other takes; the key is ngxloop's reason
- earlier:  ngxloop refuses where the other waits for more bytes; the key is ngxloop's reason
- laxer:    the other refuses a request that ngxloop takes; the key is the other's reason
- later:    the other refuses where ngxloop waits for more bytes; the key is the other's reason
- shorter, longer: the connection ends after fewer or more requests than the other's
- content:  both take a request, but with another method, target, version, fields or body

tests.fuzz.differences has the reason for each that is wanted.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.fuzz.outcomes import Outcome, Request, h11_outcome, httptools_outcome


class Difference(NamedTuple):
    """That ngxloop and another parser do not agree."""

    other: str
    kind: str
    key: str


def general(reason: str) -> str:
    """Return a reason without the bytes of the input that h11 quotes."""
    return re.sub(r"(bytearray\()?b['\"].*", "...", reason, flags=re.DOTALL)


def request_differences(ours: Request, theirs: Request) -> Iterator[str]:
    for name, our, their in zip(Request._fields, ours, theirs, strict=True):
        if our != their:
            yield name


def differences(name: str, ours: Outcome, theirs: Outcome) -> Iterator[Difference]:
    """Yield where two outcomes differ."""
    for our, their in zip(ours.requests, theirs.requests, strict=False):
        for key in request_differences(our, their):
            yield Difference(name, "content", key)
            return  # what follows is read from another place
    our_count, their_count = len(ours.requests), len(theirs.requests)
    if theirs.end == "upgrade":
        return
    if ours.end == "refused" and their_count > our_count:
        yield Difference(name, "stricter", ours.reason)
    elif ours.end == "refused" and theirs.end == "open" and their_count == our_count:
        yield Difference(name, "earlier", ours.reason)
    elif theirs.end == "refused" and our_count > their_count:
        yield Difference(name, "laxer", general(theirs.reason))
    elif theirs.end == "refused" and ours.end == "open" and our_count == their_count:
        yield Difference(name, "later", general(theirs.reason))
    elif ours.end == "closed" and (their_count > our_count or theirs.end != "closed"):
        yield Difference(name, "shorter", theirs.end)
    elif theirs.end == "closed" and our_count > their_count:
        yield Difference(name, "longer", theirs.end)


def refused_by_both(ours: Outcome, one: Outcome, other: Outcome) -> bool:
    """Return whether both others refuse before the place that ngxloop comes to."""
    if not one.end == other.end == "refused":
        return False
    count = max(len(one.requests), len(other.requests))
    return len(ours.requests) > count or (ours.end == "open" and len(ours.requests) == count)


def compare(data: bytes, ours: Outcome) -> list[Difference]:
    """Return where ngxloop's outcome differs from one of the others', or from both."""
    with_h11, with_httptools = h11_outcome(data), httptools_outcome(data)
    found = [
        *differences("h11", ours, with_h11),
        *differences("httptools", ours, with_httptools),
    ]
    if refused_by_both(ours, with_h11, with_httptools):
        key = f"{general(with_h11.reason)} | {general(with_httptools.reason)}"
        found.append(Difference("both", "laxer", key))
    return found
