"""Every input of the tables: what the parsers make of it, however it is cut."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest

from ngxloop.http.refusals import REASONS
from tests.http.inputs import SERVER_FACTS, Input, get
from tests.http.tables import INPUTS
from tests.probes.httpparser import HttpParser
from tests.support.randomness import printed_random

EVERY_INPUT = pytest.mark.parametrize("case", INPUTS, ids=lambda case: case.name)
GOOD = get(b"User-Agent: good\r\n")


def events(case: Input, pieces: Iterable[bytes]) -> list[tuple]:
    """Return what the parsers find, the pieces of a body joined."""
    parser = HttpParser(**case.limits)
    for piece in pieces:
        parser.feed(piece)
    joined: list[tuple] = []
    for event in parser.events:
        if event[0] == "data" and joined[-1][0] == "data":
            joined[-1] = ("data", joined[-1][1] + event[1])
        else:
            joined.append(event)
    return joined


def single_bytes(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def answers(found: list[tuple]) -> tuple[int, ...]:
    """Return the status of each answer that a server gives."""
    return tuple(
        event[1] // 100 if event[0] == "refused" else 200
        for event in found
        if event[0] in ("end", "refused")
    )


@EVERY_INPUT
def test_input_is_understood_or_refused_as_the_table_says(case):
    parser = HttpParser(**case.limits)
    parser.feed(case.data)
    found = events(case, [case.data])

    assert answers(found) == case.answers
    assert parser.closed == case.closes
    assert found[-1] == ("end",) or REASONS[found[-1][1]] == case.reason
    if case.head or case.body:
        assert found[0][0] == "head"
    for key, value in case.head.items():
        assert found[0][1][key] == value, key
    if not case.reason:
        assert (found[1][1] if found[1][0] == "data" else b"") == case.body


@EVERY_INPUT
def test_input_that_comes_byte_by_byte_is_the_same(case):
    assert events(case, single_bytes(case.data)) == events(case, [case.data])


@EVERY_INPUT
def test_input_that_is_cut_at_random_is_the_same(case):
    random = printed_random()
    expected = events(case, [case.data])
    for _ in range(10):
        count = random.randint(1, 5)
        places = [random.randint(0, len(case.data)) for _ in range(count)]
        assert events(case, cut(case.data, places)) == expected


@EVERY_INPUT
def test_input_behind_a_good_request_is_the_same(case):
    alone = events(case, [case.data])
    found = events(case, [GOOD + case.data])

    assert found[0][1]["fields"] == [(b"Host", b"a"), (b"User-Agent", b"good")]
    assert found[1] == ("end",)
    assert found[2:] == alone


def test_inputs_have_names_of_their_own_and_known_facts():
    twice = [name for name, count in Counter(case.name for case in INPUTS).items() if count > 1]

    assert not twice
    assert not {key for case in INPUTS for key in case.server} - set(SERVER_FACTS)


def test_every_reason_to_refuse_is_reached_by_an_input():
    assert {case.reason for case in INPUTS} - {""} == set(REASONS.values())


def test_an_input_is_refused_with_the_status_in_the_code_of_its_reason():
    statuses = {reason: code // 100 for code, reason in REASONS.items()}

    assert len(statuses) == len(REASONS), "two codes have one text"
    assert not [
        case.name for case in INPUTS if case.reason and case.answers[-1] != statuses[case.reason]
    ]
