"""What goes wrong is logged once, and what is ordered is no failure."""

import re
import signal
import sys
import textwrap

import pytest

from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import connect

ASGI = """
    import asyncio, contextlib, logging, sys, traceback
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            {start}
            await send({{"type": "lifespan.startup.complete"}})
            await receive()
            await send({{"type": "lifespan.shutdown.complete"}})
            return
        {answer}
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"ok"}})
"""
AIOHTTP = """
    import asyncio, contextlib, logging, sys, traceback
    from aiohttp import web
    async def begin(app):
        {start}
    async def answer(request):
        {answer}
        return web.Response(text="ok")
    app = web.Application()
    app.on_startup.append(begin)
    app.router.add_get("/", answer)
"""
PROGRAM = """
    import asyncio, contextlib, logging, sys, traceback
    async def answer(reader, writer):
        await reader.readline()
        {answer}
    async def app():
        {start}
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            await server.serve_forever()
"""
SCRIPT = f"{PROGRAM}    asyncio.run(app())\n"
KINDS = {
    "asgi": (ASGI, "told:app", "--interface", "asgi"),
    "asgi-uvicorn": (ASGI, "told:app", "--interface", "asgi-uvicorn"),
    "aiohttp": (AIOHTTP, "told:app"),
    "main": (PROGRAM, "told:app"),
    "script": (SCRIPT, "told.py"),
}
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
FAIL = 'raise RuntimeError("no database")'
REFUSE = 'await send({"type": "lifespan.startup.failed", "message": "no database"})'
SAY = 'print("{}", file=sys.stderr, flush=True)'
HANG = "; ".join([SAY.format("begun"), "await asyncio.sleep(1000)"])
CATCHING = "\n            ".join(["with contextlib.suppress(asyncio.CancelledError):", HANG])
# As Starlette does: what ends the start-up, its cancellation too, is sent with its traceback.
HANG_AND_TELL = """
        try:
            print("begun", file=sys.stderr, flush=True)
            await asyncio.sleep(1000)
        except BaseException:
            text = traceback.format_exc()
            await send({"type": "lifespan.startup.failed", "message": text})
            raise
"""
NOISE = re.compile("never retrieved|unhandled exception|was destroyed| is ended: ")


@pytest.fixture
def start(serve, tmp_path):
    def run(kind, *options, start="pass", answer="pass"):
        text, *words = KINDS[kind]
        source = textwrap.dedent(text).format(start=start.strip(), answer=answer)
        (tmp_path / "told.py").write_text(source)
        where = ["--app-dir", str(tmp_path), "--chdir", str(tmp_path)]
        is_program = kind in ("main", "script")
        bind = [] if is_program else ["--bind", "127.0.0.1:0"]
        app, *interface = words
        return serve(*where, *bind, *interface, *options, app, program=True)

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_start_that_fails_in_several_workers_ends_with_its_reason(start, kind):
    lifespan = ["--lifespan", "on"] if "asgi" in kind else []
    server = start(kind, "--workers", "4", *lifespan, start=FAIL)
    assert server.ended() == ExitCode.START_FAILED
    assert not NOISE.search(server.log)
    last = server.log.splitlines()[-1]
    assert last.startswith("ngxloop-serve: ")
    assert "no database" in last


@pytest.mark.parametrize("kind", ["asgi", "asgi-uvicorn"])
def test_start_that_is_refused_in_several_workers_ends_with_its_reason(start, kind):
    server = start(kind, "--workers", "4", start=REFUSE)
    assert server.ended() == ExitCode.START_FAILED
    assert not NOISE.search(server.log)
    assert "Traceback" not in server.log
    reason = "ngxloop-serve: the lifespan start-up of told:app failed: no database"
    assert server.log.splitlines()[-1] == reason


@pytest.mark.parametrize(
    ("kind", "text"),
    [*[(kind, HANG) for kind in KINDS], ("asgi", HANG_AND_TELL), ("asgi-uvicorn", HANG_AND_TELL)],
)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_start_that_is_told_to_end_is_no_failure(start, kind, text, number):
    server = start(kind, start=text)
    server.logged("begun")
    assert server.end(number) == 0
    assert not NOISE.search(server.log)
    assert "Traceback" not in server.log
    assert " ERROR " not in server.log


@pytest.mark.parametrize("kind", KINDS)
def test_request_that_is_cancelled_at_the_deadline_is_named_once(start, kind):
    # asyncio.start_server() of 3.11 reports that a handler was cancelled: programs catch that
    hang = CATCHING if kind in ("main", "script") else HANG
    server = start(kind, "--graceful-timeout", "0.3", "--idle-grace", "0", answer=hang).serving()
    with connect(server.address if server.addresses else address_of(server)) as sock:
        sock.sendall(REQUEST)
        server.logged("begun")
        server.send(signal.SIGTERM)
        assert server.ended() == 0
    assert not NOISE.search(server.log)
    assert "Traceback" not in server.log
    told = [line for line in server.log.splitlines() if re.search("WARNING|ERROR|[Cc]ancel", line)]
    # From 3.12 on a program waits in Server.wait_closed() for handlers: it is interrupted twice.
    waits = kind in ("main", "script") and sys.version_info >= (3, 12)
    assert len(told) == (2 if waits else 1)
    assert "told.py:" in told[0]


@pytest.mark.parametrize("kind", ["asgi", "asgi-uvicorn"])
def test_start_that_raises_is_reported_where_the_lifespan_is_optional(start, kind):
    server = start(kind, start=FAIL).serving()
    with connect(server.address) as sock:
        sock.sendall(REQUEST)
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
    assert server.end() == 0
    assert re.search(r"WARNING worker 1\.0\[\d+\] .*RuntimeError\('no database'\)", server.log)
    assert "Traceback" not in server.log


def test_malformed_requests_to_aiohttp_are_logged_once_without_a_traceback(start):
    server = start("aiohttp").serving()
    for _ in range(3):
        with connect(server.address) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHo st: a\x1b[2J\r\n\r\n")
            assert sock.recv(100).startswith(b"HTTP/1.0 400 ")
    assert server.end() == 0
    assert len(re.findall(r"WARNING worker .* malformed request refused: ", server.log)) == 1
    assert "Traceback" not in server.log
    assert "\x1b" not in server.log


SAID = "; ".join(
    f'logging.getLogger("{name}").info("said by %s", "{name}")'
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access")
)


@pytest.mark.parametrize("kind", ["asgi", "asgi-uvicorn", "aiohttp"])
def test_what_applications_write_to_the_loggers_of_uvicorn_is_in_the_log(start, kind):
    server = start(kind, start=SAID, answer=SAID).serving()
    with connect(server.address) as sock:
        sock.sendall(REQUEST)
        assert sock.recv(100)
    assert server.end() == 0
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        line = rf"(?m)^[-\d]+ [:.\d]+ INFO    worker 1\.0\[\d+\] said by {name}$"
        assert len(re.findall(line, server.log)) == 2
    assert server.log.count("said by") == 6
    assert "server process" not in server.log  # uvicorn's own notes
    assert "GET /" not in server.log


@pytest.mark.parametrize("kind", ["asgi", "asgi-uvicorn"])
def test_what_the_application_handles_itself_is_not_written_twice(start, kind):
    configure = "logging.basicConfig(level='INFO', format='own %(message)s')"
    server = start(kind, start=f"{configure}; {SAID}").serving()
    assert server.end() == 0
    assert server.log.count("own said by") == server.log.count("said by") == 3


def address_of(server):
    """Return where a program listens, whose addresses are known when it serves."""
    host, port = re.search(r"serving (?:http://|tcp://)?([\d.]+):(\d+)", server.log).groups()
    return host, int(port)
