"""What the operator of a server wants: a limit of requests, headers, figures of a worker."""

import asyncio

import pytest

from ngxloop.core.scoreboard import Scoreboard
from tests.http.serving import GET, client, hello, post, read_body, serving
from tests.support.waiting import wait_until

EXPECTS = b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n"


async def test_requests_above_the_limit_get_503_at_once():
    release = asyncio.Event()

    async def application(scope, receive, send):
        await release.wait()
        await hello(scope, receive, send)

    records = []
    options = {"limit_concurrency": 1, "access_log": records.append}
    async with serving(application, **options) as served, client(served) as first:
        first.send(GET)
        await wait_until(lambda: served.server.engine.active_count)
        async with client(served) as second:
            second.send(post(b"hello"))
            answer = await second.answer()
            assert (answer.status, answer.header(b"retry-after")) == (503, b"1")
            assert answer.header(b"connection") == b"close"
            assert await second.is_closed()
        release.set()
        assert (await first.answer()).status == 200
        first.send(GET)
        assert (await first.answer()).status == 200
    assert [record.status for record in records] == [503, 200, 200]


@pytest.mark.parametrize("request_bytes", [GET, b"nonsense\r\n\r\n"])
async def test_headers_of_the_operator_are_in_every_answer(request_bytes):
    headers = [(b"X-Frame-Options", b"DENY"), (b"Server", b"mine")]
    async with serving(hello, headers=headers) as served, client(served) as peer:
        peer.send(request_bytes)
        answer = await peer.answer()
        assert answer.header(b"x-frame-options") == b"DENY"
        assert answer.header(b"server") == b"mine"


async def test_figures_of_a_worker_are_in_its_slot_of_the_scoreboard():
    board, asked = Scoreboard(2), asyncio.Event()
    limited = []

    async def application(scope, receive, send):
        if scope["path"] == "/wait":
            asked.set()
        await read_body(receive)
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        served.server.engine.use_slot(board, 1)
        peer.send(GET.replace(b"/", b"/wait", 1)[:-2] + EXPECTS)
        await asked.wait()
        assert board.read(1)["in_flight"] == 1
        assert (await peer.answer()).status == 100
        peer.send(b"x")
        await peer.answer()
        values = board.read(1)
        assert (values["in_flight"], values["requests"]) == (0, 1)
        assert (values["answers_1xx"], values["answers_2xx"]) == (1, 1)
        served.server.engine.use_slot(board, 1, lambda: limited.append("counted"))
        peer.send(GET)
        await peer.answer()
        assert (board.read(1)["requests"], limited) == (1, ["counted"])
    assert board.read(0)["counts_answers"] == 0
