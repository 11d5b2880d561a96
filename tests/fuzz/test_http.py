"""The kept inputs of the HTTP fuzzer, and the fuzzer itself."""

import pytest

from tests.fuzz import http
from tests.fuzz.comparing import compare
from tests.fuzz.corpus import read_corpus, write_corpus
from tests.fuzz.differences import LIMIT, WANTED
from tests.fuzz.driving import fuzz, shortened
from tests.fuzz.generating import Generator
from tests.fuzz.outcomes import Outcome, ngxloop_outcome
from tests.http.tables import INPUTS

KEPT = read_corpus(http.CORPUS)
# The same in each run: a difference that is seen for the first time belongs to the fuzzer.
SEED = 1
RANDOM_COUNT = 500  # inputs


def test_kept_inputs_are_understood_alike_in_pieces_and_as_others_do():
    make = Generator(SEED, KEPT)

    assert len(KEPT) > 100
    assert not [(data, wrong) for data in KEPT if (wrong := http.unwanted(data, make.cuts(data)))]


def test_random_inputs_are_understood_alike_in_pieces_and_as_others_do():
    make = Generator(SEED, KEPT)
    for _ in range(RANDOM_COUNT):
        data = make.input()
        assert not http.unwanted(data, make.cuts(data)), data


def test_inputs_of_the_tables_differ_from_others_only_where_it_is_wanted():
    inputs = [case for case in INPUTS if not case.limits]
    found = {
        difference
        for case in inputs
        for difference in compare(case.data, ngxloop_outcome([case.data]))
    }

    assert not found - set(WANTED)


def test_every_wanted_difference_is_shown_by_a_known_input():
    known = KEPT + [case.data for case in INPUTS if not case.limits]
    seen = {found for data in known for found in compare(data, ngxloop_outcome([data]))}

    assert not {
        found for found, why in WANTED.items() if found not in seen and not why.startswith(LIMIT)
    }


def test_nothing_that_both_others_refuse_is_wanted():
    assert not [found for found in WANTED if found.other == "both"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"G{T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
    ],
    ids=["space before the colon", "invalid method", "CR in a value"],
)
def test_input_that_is_taken_though_both_others_refuse_it_is_found(data):
    taken = Outcome(ngxloop_outcome([b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"]).requests, "open")

    assert [found for found in compare(data, taken) if found.other == "both"]


def test_input_that_is_not_understood_alike_in_pieces_is_reported(monkeypatch, capsys):
    def careless(pieces, **limits):
        return Outcome((), "open", str(len(list(pieces))))

    monkeypatch.setattr(http, "ngxloop_outcome", careless)

    assert fuzz(http.TARGET, 1, 60, keep=False) == 1
    assert "byte by byte, with limits {}" in capsys.readouterr().out


def test_input_is_shortened_while_it_ends_the_same():
    data = b"GET /abc?def HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nContent-Length: +5\r\n\r\nhello"

    short = shortened(data, lambda text: ngxloop_outcome([text]).reason)

    assert ngxloop_outcome([short]).reason == "invalid Content-Length"
    assert len(short) < 40


def test_corpus_is_read_as_it_was_written(monkeypatch, tmp_path):
    monkeypatch.setattr("tests.fuzz.corpus.FOLDER", tmp_path)
    inputs = [b"", b"\x00\r\n'\"\\\xff", b"a" * 500]

    write_corpus("x", [*inputs, b""])

    assert read_corpus("x") == inputs
