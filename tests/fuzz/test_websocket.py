"""The kept inputs of the WebSocket fuzzer, and the fuzzer itself."""

import codecs

import pytest

from tests.fuzz import websocket
from tests.fuzz.corpus import read_corpus
from tests.fuzz.driving import fuzz
from tests.fuzz.websocket import Generator, Outcome, decodes, difference, ngxloop_outcome
from tests.http.websocket.table import SHORT
from tests.probes.websocketframes import is_utf8

KEPT = read_corpus(websocket.CORPUS)
SEED = 1
RANDOM_COUNT = 500  # inputs


def test_kept_inputs_are_understood_alike_in_pieces_and_as_by_websockets():
    make = Generator(SEED, KEPT)
    assert len(KEPT) > 20
    assert not [
        (data, wrong) for data in KEPT if (wrong := websocket.unwanted(data, make.cuts(data)))
    ]


def test_random_inputs_are_understood_alike_in_pieces_and_as_by_websockets():
    make = Generator(SEED, KEPT)
    for _ in range(RANDOM_COUNT):
        data = make.input()
        assert not websocket.unwanted(data, make.cuts(data)), data


@pytest.mark.parametrize("case", [one for one in SHORT if len(one.sent) < 1000], ids=lambda c: c.id)
def test_cases_of_the_table_are_understood_as_by_websockets(case):
    assert not websocket.unwanted(case.sent, [case.sent])


def test_input_that_is_understood_in_another_way_is_found():
    theirs = websocket.websockets_outcome(SHORT[1].sent)
    assert not difference(ngxloop_outcome([SHORT[1].sent]), theirs)
    assert difference(Outcome((), "open"), theirs)
    assert difference(Outcome((), "failed", 1002), theirs)


def test_input_that_is_wrong_in_pieces_alone_is_reported_whole(capsys):
    def unwanted(data, pieces):
        return [] if pieces == [data] else ["in pieces, it is wrong"]

    assert fuzz(websocket.TARGET._replace(unwanted=unwanted), 1, 60, keep=False) == 1
    first, _, last = capsys.readouterr().out.splitlines()
    assert last.removeprefix("shortened: ") == first.removeprefix("seed 1: ") != "b''"


def test_text_is_judged_as_by_the_decoder_of_python_for_each_pair_and_triple_of_bytes():
    """Every two bytes, and the interesting ones in front of and behind each."""
    edges = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4]
    texts = [bytes([one, other]) for one in range(256) for other in range(256)]
    texts += [bytes([a, b, c]) for a in range(0xE0, 0x100) for b in edges for c in edges]
    texts += [bytes([a, b, c, d]) for a in range(0xF0, 0x100) for b in edges for c in edges
              for d in edges]  # fmt: skip
    for data in texts:
        expected = judged(data)
        assert is_utf8(data) == expected, data
        assert is_utf8(*(data[i : i + 1] for i in range(len(data)))) == expected, data
        assert is_utf8(b"a" * 15 + data) == expected, data


def judged(data):
    decoder = codecs.getincrementaldecoder("utf-8")()
    if not decodes(decoder, data, False):
        return False
    return "more" if decoder.getstate()[0] else True
