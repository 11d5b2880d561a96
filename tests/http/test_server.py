"""HttpServer and serve(): lifespan, figures, the access log, embedding."""

import asyncio
import contextlib
import logging
import sys

import pytest

import ngxloop
from ngxloop.http import HttpServer, LifespanError, Options, serve
from ngxloop.http.answer import TRANSITIONS as ANSWER_TRANSITIONS
from ngxloop.http.closing import TRANSITIONS as CONNECTION_TRANSITIONS
from ngxloop.http.lifespan import TRANSITIONS as LIFESPAN_TRANSITIONS
from ngxloop.http.proxies import TrustedProxies
from tests.http.serving import (
    GET,
    answering,
    body,
    client,
    hello,
    post,
    read_body,
    serving,
    start,
)
from tests.support.sockets import LOOPBACK
from tests.support.waiting import turns, wait_until


class Lifespan:
    """An application that answers the lifespan's messages as it is told to."""

    def __init__(self, *, startup="complete", shutdown="complete", raises=None):
        self.startup = startup
        self.shutdown = shutdown
        self.raises = raises
        self.calls = []

    async def __call__(self, scope, receive, send):
        """Run the lifespan, or answer a request with the state's content."""
        if scope["type"] == "http":
            await send(start())
            await send(body(repr(scope.get("state")).encode()))
            return
        if self.raises == "begin":
            raise ValueError("no lifespan here")
        if self.raises == "exit":
            sys.exit("no licence")
        self.calls.append((await receive())["type"])
        if self.startup == "return":
            return
        if self.startup == "complete":
            scope["state"]["shared"] = [1]
        await send({"type": f"lifespan.startup.{self.startup}", "message": "no database"})
        if self.raises == "ready":
            await turns(3)
            raise ValueError("gone wrong")
        self.calls.append((await receive())["type"])
        await send({"type": f"lifespan.shutdown.{self.shutdown}", "message": "left open"})


async def state_seen(application, mode):
    async with serving(application, lifespan=mode) as served, client(served) as peer:
        peer.send(GET)
        return (await peer.answer()).body


@pytest.mark.parametrize("mode", ["on", "auto"])
async def test_the_lifespan_runs_and_its_state_is_in_every_scope(mode):
    application = Lifespan()
    assert await state_seen(application, mode) == b"{'shared': [1]}"
    assert application.calls == ["lifespan.startup", "lifespan.shutdown"]


async def test_each_request_has_a_copy_of_the_state():
    async def application(scope, receive, send):
        if scope["type"] == "lifespan":
            scope["state"]["n"] = 0
            await send({"type": "lifespan.startup.complete"})
            return
        scope["state"]["n"] += 1
        await send(start())
        await send(body(b"%d" % scope["state"]["n"]))

    async with serving(application, lifespan="on") as served, client(served) as peer:
        for _ in range(2):
            peer.send(GET)
            assert (await peer.answer()).body == b"1"


async def test_lifespan_off_asks_nothing():
    application = Lifespan()
    assert await state_seen(application, "off") == b"None"
    assert application.calls == []


@pytest.mark.parametrize("options", [{"raises": "begin"}, {"startup": "return"}])
async def test_auto_serves_an_application_without_a_lifespan(options, caplog):
    caplog.set_level(logging.DEBUG, "ngxloop.http")
    assert await state_seen(Lifespan(**options), "auto") == b"None"
    assert "does not support the lifespan protocol" in caplog.text
    assert ("ValueError: no lifespan here" in caplog.text) == ("raises" in options)


@pytest.mark.parametrize(
    ("mode", "options", "text"),
    [
        ("on", {"raises": "begin"}, "no lifespan here"),
        ("on", {"startup": "return"}, "ended its lifespan too early"),
        ("on", {"startup": "failed"}, "no database"),
        ("auto", {"startup": "failed"}, "no database"),
        ("auto", {"raises": "exit"}, "no licence"),
    ],
)
async def test_a_start_up_that_fails_is_told(mode, options, text):
    server = HttpServer(Lifespan(**options), lifespan=mode)
    with pytest.raises(LifespanError, match=text):
        await server.start()


@pytest.mark.parametrize(
    ("options", "text"), [({"shutdown": "failed"}, "left open"), ({"raises": "ready"}, "wrong")]
)
async def test_a_shutdown_that_fails_is_told(options, text):
    server = HttpServer(Lifespan(**options), lifespan="on")
    await server.start()
    await turns(6)
    with pytest.raises(LifespanError, match=text):
        await server.stop()


def test_modes_of_the_lifespan_are_checked():
    async def make():
        HttpServer(hello, lifespan="maybe")

    with pytest.raises(ValueError, match="'maybe'"):
        ngxloop.run(make())


async def test_a_loop_of_others_is_refused():
    def run():
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(make())

    async def make():
        HttpServer(hello)

    with pytest.raises(TypeError, match="needs a loop of ngxloop's"):
        await asyncio.to_thread(run)


# ---- figures and the access log


async def test_figures_count_what_is_answered():
    async def application(scope, receive, send):
        await send(start(int(scope["path"][1:])))
        await send(body(b"hello"))

    async with serving(application) as served, client(served) as peer:
        for status in (200, 204, 302, 404, 503):
            peer.send(GET.replace(b"/", b"/%d" % status, 1))
            await peer.answer()
        peer.send(b"nonsense\r\n\r\n")
        await peer.answer()
        engine = served.server.engine
        assert engine.request_count == 5
        assert engine.active_count == 0
        assert engine.answer_counts == {"1xx": 0, "2xx": 2, "3xx": 1, "4xx": 2, "5xx": 1}


async def test_the_access_log_has_a_line_for_every_request_once():
    records = []

    async def application(scope, receive, send):
        if scope["path"] == "/wait":
            await receive()
            await receive()
            return
        await hello(scope, receive, send)

    async with serving(application, access_log=records.append) as served:
        async with client(served) as peer:
            peer.send(GET.replace(b"/", b"/a%20b?c", 1) + b"nonsense\r\n\r\n")
            await peer.answer()
            await peer.answer()
            local = peer.writer.get_extra_info("sockname")
        async with client(served) as peer:
            peer.send(GET.replace(b"/", b"/wait", 1))
            await wait_until(lambda: served.server.engine.active_count)
        await wait_until(lambda: len(records) == 3)
    first = records[0]
    assert first[:6] == (local, "GET", "/a%20b?c", "1.1", 200, 5)
    assert 0 <= first.seconds < 30
    assert [record.status for record in records] == [200, 400, 499]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (GET[:-2], 408),
        (post(b"hello")[:-1], 408),
        (GET.replace(b"/", b"/" + bytes(b"a" * 9000), 1), 414),
        (GET[:-2] + b"Expect: tea\r\n\r\n", 417),
        (GET.replace(b"1.1", b"2.0"), 505),
        (post(bytes(2000)), 413),
        (post(b"x").replace(b"Content-Length: 1", b"Transfer-Encoding: gzip"), 501),
    ],
    ids=str,
)
async def test_the_access_log_has_one_line_for_what_is_refused(sent, status):
    records = []

    async def application(scope, receive, send):
        await read_body(receive)
        await hello(scope, receive, send)

    options = {"client_header_timeout": 0.2, "client_body_timeout": 0.2}
    options |= {"client_max_body_size": 1000, "access_log": records.append}
    async with serving(application, **options) as served, client(served) as peer:
        peer.send(sent)
        assert (await peer.answer()).status == status
        assert await peer.is_closed()
        await wait_until(lambda: not served.server.engine.tasks)
    assert [record.status for record in records] == [status]


def test_times_and_limits_are_those_of_nginx_unless_they_are_set():
    options = Options()
    assert (options.client_header_timeout, options.client_body_timeout) == (60.0, 60.0)
    assert (options.send_timeout, options.timeout_keep_alive) == (60.0, 75.0)
    assert (options.lingering_time, options.lingering_timeout) == (30.0, 5.0)
    assert (options.keepalive_requests, options.limit_field_count) == (1000, 1000)
    assert (options.limit_field_line_bytes, options.limit_fields_bytes) == (8192, 4 * 8192)


async def test_an_access_log_that_fails_harms_no_request(caplog):
    def fail(record):
        raise ValueError("disk full")

    async with serving(hello, access_log=fail) as served, client(served) as peer:
        for _ in range(2):
            peer.send(GET)
            assert (await peer.answer()).body == b"hello"
    assert "ValueError: disk full" in caplog.text


async def test_a_request_that_never_began_is_not_counted(monkeypatch, reports):
    def fail(self, scope):
        raise MemoryError

    monkeypatch.setattr(TrustedProxies, "apply", fail)
    async with serving(hello, forwarded_allow_ips="*") as served, client(served) as peer:
        engine = served.server.engine
        peer.send(GET[:-2] + b"X-Forwarded-For: 192.0.2.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            await peer.rest()
        assert (engine.request_count, engine.active_count) == (0, 0)
    assert isinstance(reports.pop()["exception"], MemoryError)


# ---- embedding


async def test_serve_listens_until_it_is_cancelled():
    listening = asyncio.get_running_loop().create_future()
    application = Lifespan()
    task = asyncio.create_task(serve(application, LOOPBACK, 0, listening=listening.set_result))
    server = await listening
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(GET)
    assert b"'shared'" in await reader.readuntil(b"}")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await reader.read() == b""
    writer.close()
    assert application.calls == ["lifespan.startup", "lifespan.shutdown"]


@pytest.mark.parametrize(
    "options",
    [
        {"send_timeout": -1},
        {"limit_field_count": 0},
        {"root_path": "app"},
        {"limit_concurrency": -1},
        {"headers": [(b"a b", b"c")]},
        {"headers": [(b"a", b"c\r\nd: e")]},
        {"headers": [(b"Connection", b"close")]},
    ],
    ids=str,
)
def test_options_are_checked(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        Options(**options)


@pytest.mark.parametrize(
    "table", [CONNECTION_TRANSITIONS, ANSWER_TRANSITIONS, LIFESPAN_TRANSITIONS]
)
def test_every_state_can_be_reached_and_left(table):
    first = next(iter(table))
    reached = {first}.union(*table.values())
    assert reached == set(table)
    ends = {name for name, followers in table.items() if not followers}
    assert ends <= {"closed", "upgraded", "done", "gone", "unsupported", "stopped", "failed"}


async def test_an_answer_is_not_lost_among_many_connections():
    async with serving(answering(start(), body(b"hello"))) as served:

        async def one():
            async with client(served) as peer:
                for _ in range(5):
                    peer.send(GET)
                    assert (await peer.answer()).body == b"hello"

        await asyncio.gather(*(one() for _ in range(50)))
