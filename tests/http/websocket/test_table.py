"""The table of cases, on the wire and through the parser."""

import asyncio

import pytest

from ngxloop.http.websocket.frames import FAILURES
from tests.http.serving import client, serving
from tests.http.websocket.frames import (
    CLOSE,
    Frame,
    echo,
    frames_of,
    handshake,
    single_bytes,
    websocket,
)
from tests.http.websocket.table import CASES, SHORT, Case
from tests.probes.websocketframes import FramesParser
from tests.support.waiting import DEADLINE

# A longer case is cut into pieces of some bytes, as to send each byte takes long.
BYTES_MAX = 2000
PIECE_BYTES = 997


def named(cases: list[Case]):
    return pytest.mark.parametrize("case", cases, ids=[case.id for case in cases])


def pieces_of(data: bytes):
    if len(data) <= BYTES_MAX:
        return list(single_bytes(data))
    return [data[i : i + PIECE_BYTES] for i in range(0, len(data), PIECE_BYTES)]


def check(case: Case, frames: list[Frame]) -> None:
    *messages, last = frames
    assert messages == list(case.expected)
    assert last.opcode == CLOSE
    code = int.from_bytes(last.payload[:2], "big") if last.payload else None
    assert code == case.code


@named(CASES)
async def test_case_whole(case):
    async with serving(echo) as served, websocket(served) as peer:
        peer.send(case.sent)
        check(case, await peer.rest())


@named(CASES)
async def test_case_with_its_handshake(case):
    """What comes together with a handshake is not lost."""
    async with serving(echo) as served, websocket(served, then=case.sent) as peer:
        check(case, await peer.rest())


@named(CASES)
async def test_case_in_pieces(case):
    async with serving(echo) as served, websocket(served) as peer:
        reading = asyncio.create_task(peer.rest())
        for piece in pieces_of(case.sent):
            peer.send(piece)
            await asyncio.sleep(0)
        check(case, await asyncio.wait_for(reading, DEADLINE))


async def test_handshake_in_pieces():
    async with serving(echo) as served, client(served) as peer:
        for piece in single_bytes(handshake() + SHORT[0].sent):
            peer.send(piece)
            await asyncio.sleep(0)
        assert (await peer.answer()).status == 101
        check(SHORT[0], frames_of(await peer.rest()))


def parsed(*pieces: bytes):
    parser = FramesParser()
    for piece in pieces:
        parser.feed(piece)
    return parser.events


@named([case for case in SHORT if len(case.sent) <= BYTES_MAX])
def test_case_is_parsed_alike_wherever_it_is_cut(case):
    whole = parsed(case.sent)
    assert parsed(*single_bytes(case.sent)) == whole
    for place in range(1, len(case.sent)):
        assert parsed(case.sent[:place], case.sent[place:]) == whole


def test_every_failure_is_in_the_table():
    failures = {parsed(case.sent)[-1][1] for case in SHORT if parsed(case.sent)[-1][0] == "failed"}
    others = {"invalid compressed data", "message is too large"}
    assert {FAILURES[number] for number in failures} == {*FAILURES.values()} - others
