"""python -m tests.fuzz.websocket: the parser of frames on random inputs, beside websockets.

Each input is parsed whole, byte by byte, and in random pieces, which must give the same; then it is
compared with what websockets' own parser makes of it. It may say less where it is stricter, and
fail before a frame is complete; all else must be the same.
"""

import codecs
import itertools
import random
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from websockets.frames import Close, Opcode
from websockets.protocol import Protocol, Side, State

from ngxloop.http.websocket.frames import FAILURES
from tests.fuzz.driving import Target, run, single_bytes
from tests.http.websocket.frames import BINARY, CLOSE, PING, PONG, TEXT, frame
from tests.probes.websocketframes import FramesParser

CORPUS = "websocket"
# RFC 6455 5.2: the shortest form must be used. websockets takes any.
STRICTER = ("invalid size of a frame", "control frame is too large")
# A Close may have a reason that is no text as well; websockets looks at that first.
BOTH_WRONG, INVALID_TEXT = "invalid close code", 1007
SMALL_LIMIT = 20
NO_CODE = 1005
OPCODES = (0, 0, TEXT, TEXT, TEXT, BINARY, CLOSE, PING, PONG)
TEXTS = (
    b"",
    b"a",
    b"hello",
    "ä€\U0001f600".encode(),
    b"\xe2\x82",
    b"\xac",
    b"\xed\xa0\x80",
    b"\xff",
)
CODES = (
    b"",
    b"\x03",
    b"\x03\xe8",
    b"\x03\xed",
    b"\x0f\xa0",
    b"\x00\x00",
    b"\x03\xe8\xff",
    b"\x13\x88",
)
SIZES = (0, 1, 5, 124, 125, 126, 127, 128, 300)


class Outcome(NamedTuple):
    """The messages and control frames, and the end: "open", "closed", or "failed" with a code."""

    events: tuple[Any, ...]
    end: str
    code: int = 0
    reason: str = ""


def ngxloop_outcome(pieces: Iterable[bytes], limit: int = 0) -> Outcome:
    """Return what our parser finds."""
    parser = FramesParser(message_bytes_max=limit)
    for piece in pieces:
        parser.feed(piece)
    events: list[Any] = []
    for event in parser.events:
        if event[0] == "failed":
            return Outcome(tuple(events), "failed", event[1] // 100, FAILURES[event[1]])
        if event[0] == CLOSE:
            return Outcome((*events, event), "closed")
        events.append((event[1], event[3]) if event[0] == "message" else event)
    return Outcome(tuple(events), "open")


def websockets_outcome(data: bytes) -> Outcome:
    """Return what websockets finds, with messages put together and checked as its users do."""
    protocol = Protocol(Side.SERVER, state=State.OPEN, max_size=None)
    protocol.receive_data(data)
    events: list[Any] = []
    opcode, content = 0, b""
    decoder: Any = None
    for found in protocol.events_received():
        if found.opcode is Opcode.CLOSE:
            code = protocol.close_rcvd.code if protocol.close_rcvd else 0
            return Outcome((*events, (CLOSE, bytes(found.data), code)), "closed")
        if found.opcode in (Opcode.PING, Opcode.PONG):
            events.append((int(found.opcode), bytes(found.data)))
            continue
        if found.opcode is not Opcode.CONT:
            opcode, content = int(found.opcode), b""
            decoder = codecs.getincrementaldecoder("utf-8")()
        content += found.data
        if opcode == TEXT and not decodes(decoder, found.data, found.fin):
            return Outcome(tuple(events), "failed", INVALID_TEXT)
        if found.fin:
            events.append((opcode, content))
    if protocol.close_rcvd is not None:  # within a message, which websockets does not allow
        return Outcome((*events, close_event(protocol.close_rcvd)), "closed")
    if protocol.close_sent is not None:
        return Outcome(tuple(events), "failed", protocol.close_sent.code)
    return Outcome(tuple(events), "open")


def decodes(decoder: codecs.IncrementalDecoder, data: bytes, final: bool) -> bool:
    """Return whether these bytes may follow; Python waits for the third byte of a surrogate."""
    try:
        decoder.decode(data, final)
    except UnicodeDecodeError:
        return False
    pending = decoder.getstate()[0]
    return not (len(pending) > 1 and pending[0] == 0xED and pending[1] >= 0xA0)


def close_event(close: Close) -> tuple[int, bytes, int]:
    """Return a Close as our parser reports it."""
    payload = b"" if close.code == NO_CODE else close.serialize()
    return (CLOSE, payload, close.code)


def difference(ours: Outcome, theirs: Outcome) -> str:
    """Return what is not as it should be; an empty text: nothing."""
    if ours.reason in STRICTER or (ours.end == "failed" and theirs.end == "open"):
        same = ours.events == theirs.events[: len(ours.events)]
    elif ours.reason == BOTH_WRONG and theirs.code == INVALID_TEXT:
        same = ours.events == theirs.events
    else:
        same = ours[:3] == theirs[:3]
    return "" if same else f"it is {ours}, with websockets {theirs}"


def unwanted(data: bytes, pieces: list[bytes]) -> list[str]:
    """Return what is wrong with how an input is understood."""
    wrong = []
    for limit in (0, SMALL_LIMIT):
        whole = ngxloop_outcome([data], limit)
        for way, cut in (("byte by byte", single_bytes(data)), ("in pieces", pieces)):
            if (found := ngxloop_outcome(cut, limit)) != whole:
                wrong.append(f"{way}, with limit {limit}, it is {found}, whole {whole}")
    found_difference = difference(ngxloop_outcome([data]), websockets_outcome(data))
    return [*wrong, found_difference] if found_difference else wrong


def signature(data: bytes) -> tuple[object, ...]:
    """Return in what way an input ends."""
    ours = ngxloop_outcome([data])
    return (ours.end, ours.reason, ours.code, len(ours.events) > 1, websockets_outcome(data).end)


class Generator:
    """Random inputs: frames, few of which are wrong, and known inputs with a change."""

    def __init__(self, seed: int, known: Iterable[bytes]) -> None:
        self.random = random.Random(seed)
        self.known = list(known)

    def input(self) -> bytes:
        """Return an input."""
        if self.known and self.random.random() < 0.3:
            data = self.random.choice(self.known)
        else:
            data = b"".join(self.frame() for _ in range(self.random.randint(1, 5)))
        return self.changed(data) if self.random.random() < 0.4 else data

    def frame(self) -> bytes:
        """Return a frame."""
        choice, odd = self.random.choice, self.random.random
        opcode = choice(OPCODES) if odd() < 0.97 else choice(range(16))
        payload = choice(CODES) if opcode == CLOSE else choice(TEXTS) * choice((0, 1, 1, 2))
        if odd() < 0.1:
            payload = b"*" * choice(SIZES)
        return frame(
            opcode,
            payload,
            fin=odd() < (0.98 if opcode >= CLOSE else 0.6),
            reserved=choice(range(8)) if odd() < 0.02 else 0,
            mask=None if odd() < 0.02 else choice((bytes(4), b"\x37\xfa\x21\x3d", b"\xff" * 4)),
            size_bytes=8 if odd() < 0.02 else None,
        )

    def changed(self, data: bytes) -> bytes:
        """Return an input with a byte changed, removed or put in, or without its end."""
        place = self.random.randrange(len(data) + 1)
        byte = bytes([self.random.randrange(256)])
        kind = self.random.randrange(4)
        if kind == 0:
            return data[:place]
        return data[:place] + (b"" if kind == 1 else byte) + data[place + (kind != 3) :]

    def cuts(self, data: bytes) -> list[bytes]:
        """Cut an input at random places."""
        count = self.random.randint(0, 3)
        places = sorted(self.random.randrange(len(data) + 1) for _ in range(count))
        bounds = [0, *places, len(data)]
        return [data[start:end] for start, end in itertools.pairwise(bounds)]


TARGET = Target(CORPUS, Generator, unwanted, signature)

if __name__ == "__main__":
    sys.exit(run(TARGET))
