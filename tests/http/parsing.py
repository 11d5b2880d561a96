"""Heads and bodies through the parsers, whole and byte by byte."""

from typing import Any

from ngxloop.http.refusals import REASONS
from tests.probes.httpparser import HttpParser


def events_of(*pieces: bytes, **limits: int) -> list[tuple[Any, ...]]:
    """Return what the parsers find in pieces."""
    parser = HttpParser(**limits)
    for piece in pieces:
        parser.feed(piece)
    return parser.events


def result_of(data: bytes, **limits: int) -> dict[str, Any] | str | None:
    """Return the first head, why it is refused, or None if it is not complete.

    It is the same when the bytes come one by one: a line that comes whole takes another way.
    """
    whole = events_of(data, **limits)
    single = events_of(*(data[i : i + 1] for i in range(len(data))), **limits)
    assert whole[:1] == single[:1]
    if not whole:
        return None
    kind, content = whole[0]
    return REASONS[content] if kind == "refused" else content


def head_of(data: bytes, **limits: int) -> dict[str, Any]:
    """Return the head of a request that is not refused."""
    head = result_of(data, **limits)
    assert isinstance(head, dict), head
    return head
