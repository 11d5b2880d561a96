"""Every input of the tables on the wire: the answers, the end, and what the application sees."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest

from tests.http.inputs import Input
from tests.http.serving import GET, Answer, Client, client, read_body, serving
from tests.http.test_inputs import INPUTS
from tests.support.randomness import printed_random
from tests.support.waiting import turns

# The names of HeadLimits, as options of the engine.
OPTIONS = {
    "target_bytes_max": "limit_target_bytes",
    "field_line_bytes_max": "limit_field_line_bytes",
    "fields_bytes_max": "limit_fields_bytes",
    "field_count_max": "limit_field_count",
    "body_bytes_max": "client_max_body_size",
    "drops_underscores": "underscores_in_headers",
}
# Inputs above this are not cut at every byte, but at so many at each end, and in between.
LONG_BYTES = 400
EDGE_BYTES = 20
EVERY_INPUT = pytest.mark.parametrize("case", INPUTS, ids=lambda case: case.name)


class Application:
    """Reads the whole body, answers with five bytes, and keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, Any], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        self.seen.append((scope, await read_body(receive)))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})


def options_of(case: Input) -> dict[str, Any]:
    options: dict[str, Any] = {OPTIONS[name]: value for name, value in case.limits.items()}
    if "underscores_in_headers" in options:
        options["underscores_in_headers"] = not options["underscores_in_headers"]
    return options


async def check(case: Input, pieces: list[bytes], *, before: int = 0, tls: bool = False) -> None:
    """Send the pieces of an input; compare what comes back, and what the application saw."""
    application = Application()
    async with serving(application, tls=tls, **options_of(case)) as served:
        async with client(served, tls=tls) as peer:
            for piece in pieces:
                peer.send(piece)
                await turns(2)
            await check_answers(case, peer, before)
        if not before:
            check_seen(case, application)


async def check_answers(case: Input, peer: Client, before: int) -> None:
    statuses = (200,) * before + case.answers
    answers = []
    for status in statuses:
        is_head = case.data.startswith(b"HEAD") and len(answers) == before
        answer = await peer.answer(to_head=is_head)
        if answer.status == 100 and case.server.get("interim"):
            answer = await peer.answer()
        answers.append(answer)
        assert answer.status == status
    if not before:
        check_headers(case, answers[0])
    if case.closes or answers[-1].header(b"connection") == b"close":
        assert case.closes or b" HTTP/1.0\r\n" in case.data
        assert await peer.rest() == b""
    else:
        peer.send(GET)
        assert (await peer.answer()).status == 200


def check_headers(case: Input, answer: Answer) -> None:
    for name, value in case.server.get("answer_headers", {}).items():
        assert answer.header(name) == value
    for name in case.server.get("answer_lacks", ()):
        assert answer.header(name) is None
    if "answer_body" in case.server:
        assert answer.body == case.server["answer_body"]


def check_seen(case: Input, application: Application) -> None:
    if case.answers and case.answers[0] == 200:
        scope, body = application.seen[0]
        assert body == case.body
        for key in ("path", "raw_path", "query_string", "method", "http_version"):
            if key in case.server:
                assert scope[key] == case.server[key]
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if "host" in case.server:
            assert hosts == [case.server["host"]]
        for field in case.server.get("headers", ()):
            assert tuple(field) in scope["headers"]
        names = {name for name, _ in scope["headers"]}
        assert names.isdisjoint(case.server.get("lacks_headers", ()))
    assert len(application.seen) <= len(case.answers) + (not case.closes)  # one more shows that


@EVERY_INPUT
async def test_input_whole(case: Input):
    await check(case, [case.data])


@EVERY_INPUT
async def test_input_behind_a_good_request(case: Input):
    await check(case, [GET + case.data], before=1)


@EVERY_INPUT
async def test_input_over_tls(case: Input):
    await check(case, [case.data], tls=True)


@EVERY_INPUT
async def test_input_cut_at_some_places(case: Input):
    random = printed_random()
    last = len(case.data)
    if case.closes and case.answers[-1:] == (200,):
        last = case.data.index(b"\r\n\r\n")  # what comes after the end meets a reset
    places = sorted(random.sample(range(last), min(4, last)))
    edges = [0, *places, len(case.data)]
    await check(case, [case.data[a:b] for a, b in itertools.pairwise(edges) if a != b])


def places_of(case: Input) -> Iterable[int]:
    """Return where to cut an input in two: everywhere, a long one at its ends and at some places.

    The end of a connection can overtake what comes behind its last answer.
    """
    last = len(case.data)
    if case.closes and case.answers[-1:] == (200,):
        last = case.data.index(b"\r\n\r\n")
    if last <= LONG_BYTES:
        return range(1, last)
    edges = {*range(1, EDGE_BYTES), *range(last - EDGE_BYTES, last)}
    return sorted({*edges, *printed_random().sample(range(1, last), EDGE_BYTES)})


@EVERY_INPUT
async def test_input_cut_at_every_byte(case: Input):
    application = Application()
    async with serving(application, **options_of(case)) as served:
        for place in places_of(case):
            application.seen.clear()
            async with client(served) as peer:
                peer.send(case.data[:place])
                await turns(2)
                peer.send(case.data[place:])
                await check_answers(case, peer, 0)
            check_seen(case, application)
