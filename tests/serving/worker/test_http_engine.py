"""Our own HTTP server in workers: start, lifespan, drain, figures, access log.

How it answers is tested in tests/http, the drain that all servers have in common in test_drain.py
and test_reload.py, its options in test_http_options.py.
"""

import contextlib
import json
import re
import signal
import socket

import pytest

from ngxloop.serving.base.errors import ExitCode
from tests.serving.http_support import (
    GET,
    STATUS,
    ask,
    ask_once,
    get,
    post,
    report_of,
    status_page,
)
from tests.serving.programs_support import Load
from tests.serving.support import (
    APPS,
    DEADLINE,
    command,
    connect,
    http_get,
    receive_until,
    run_to_end,
)
from tests.serving.worker.test_keepalive import KeepAliveClients
from tests.support.waiting import wait_until_blocking

ASGI = ("--interface", "asgi")
TOLD_AT_THE_END = r"heard of the end: ClientDisconnected\n"


@pytest.fixture
def served(serve):
    """Serve an application of web_engine.py with the interface asgi."""
    return lambda app="app", *options: serve(f"web_engine:{app}", *ASGI, *options)


# ---- the start


def test_server_of_its_own_needs_no_uvicorn(served):
    server = served().serving()
    told = json.loads(ask_once(server).body)
    assert not told["has_uvicorn"]
    assert server.end() == 0


@pytest.mark.parametrize(
    ("variable", "client"),
    [(None, ["192.0.2.1", 0]), ("192.0.2.9", None), ("*", ["192.0.2.1", 0])],
    ids=["default", "another proxy", "any proxy"],
)
def test_proxy_on_this_machine_is_trusted_as_with_uvicorn(served, monkeypatch, variable, client):
    if variable is not None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", variable)
    fields = b"\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n\r\n"
    told = json.loads(ask_once(served().serving(), GET.replace(b"\r\n\r\n", fields)).body)
    assert told["scheme"] == ("https" if client else "http")
    assert client is None or told["client"] == client


def test_list_of_proxies_that_cannot_be_read_is_one_line(serve, monkeypatch):
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "my proxy")
    server = serve("web_engine:app", "--interface", "asgi")
    assert server.ended() == ExitCode.START_FAILED
    assert "FORWARDED_ALLOW_IPS: 'my proxy'" in server.log
    assert "Traceback" not in server.log


def test_server_of_its_own_serves_what_is_detected(serve):
    server = serve("web_engine:app").serving()
    assert "serving web_engine:app (asgi) with" in server.log
    assert not json.loads(ask_once(server).body)["has_uvicorn"]


@pytest.mark.parametrize(
    ("app", "advice"), [("web_engine:old_style", "ASGI 3"), ("web_engine:PAGES", "ASGI 3")]
)
def test_what_is_not_asgi_3_is_refused(app, advice):
    options = [*ASGI, "--app-dir", str(APPS), "--bind", "127.0.0.1:0", "--log-level", "error"]
    result = run_to_end(command(app, *options))
    assert result.returncode == ExitCode.NOT_AN_APPLICATION
    assert advice in result.stderr


# ---- lifespan


def test_state_of_the_lifespan_is_in_every_scope(served):
    server = served().serving()
    assert json.loads(ask_once(server).body)["state"] == {"shared": "from the lifespan"}
    assert server.end() == 0
    assert "lifespan ended" in server.log


def test_lifespan_off_is_not_run(served):
    server = served("app", "--lifespan", "off").serving()
    assert json.loads(ask_once(server).body)["state"] is None
    assert server.end() == 0
    assert "lifespan ended" not in server.log


def test_application_without_a_lifespan_is_served_and_says_so_in_one_line(served):
    server = served("without_lifespan").serving()
    assert json.loads(ask_once(server).body)["state"] is None
    line = r"INFO    worker 1\.0\[\d+\] the application does not support the lifespan protocol\n"
    assert len(re.findall(line, server.read_log())) == 1
    assert "Traceback" not in server.log
    assert server.end() == 0


@pytest.mark.parametrize(
    ("app", "mode", "words"),
    [
        ("raises", "on", "the application raised LookupError('no database')"),
        ("refuses", "on", "LookupError: no database"),
        ("refuses", "auto", "LookupError: no database"),
        ("exits", "auto", "the application raised SystemExit('no licence')"),
    ],
)
def test_start_up_that_fails_ends_the_start_with_its_reason(served, app, mode, words):
    server = served(app, "--lifespan", mode, "--workers", "2")
    assert server.ended() == ExitCode.START_FAILED
    complaint = f"ngxloop-serve: the lifespan start-up of web_engine:{app} failed: {words}\n"
    assert server.log.count(complaint) == 1
    assert "Traceback (most recent call last):" in server.log
    assert "never retrieved" not in server.log


def test_worker_is_not_ready_while_the_start_up_goes_on(serve):
    server = serve("web_asgi:start_forever", *ASGI, *STATUS, "--log-level", "debug")
    server.logged("worker 1.0 started")
    host, _, port = server.status_address.rpartition(":")
    assert http_get((host, int(port)), "/readyz")[0] == 503
    server.end_now()
    assert server.ended() == 0
    assert "Traceback" not in server.log


def test_reload_whose_start_up_fails_leaves_the_old_workers(serve, tmp_path):
    path = tmp_path / "site_app.py"
    path.write_text("from web_engine import app\n")
    paths = ["--app-dir", str(tmp_path), "--env", f"PYTHONPATH={APPS}"]
    server = serve("site_app:app", *ASGI, *paths, wrapper=["env", f"PYTHONPATH={APPS}"])
    server.serving()
    path.write_text("from web_engine import refuses as app\n")
    server.send(signal.SIGHUP)
    server.logged("the lifespan start-up of site_app:app failed: LookupError: no database")
    assert ask_once(server).status == 200


def test_shutdown_that_fails_is_reported(served):
    server = served("ends_badly").serving()
    assert server.end() == 0
    assert "web_engine:ends_badly raised while it was shutting down" in server.log
    assert "LifespanError: left open" in server.log
    assert "exited with code 1" in server.log


# ---- the drain


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("page", ["/events", "/poll"])
def test_endless_answer_hears_of_the_end_before_the_deadline(served, page, number):
    options = ["--graceful-timeout", "1", "--idle-grace", "0"]
    server = served("app", *options).serving()
    with connect(server.address) as sock:
        sock.sendall(get(page))
        if page == "/events":
            assert b"event\n" in receive_until(sock, b"event\n")
        else:
            server.logged("poll waits")
        server.send(number)
        server.logged(TOLD_AT_THE_END)
        assert receive_until(sock, b"") in (b"", b"\r\n")  # no last chunk, and no answer
    if number == signal.SIGTERM:
        assert server.ended() == 0
    assert "not drained at the deadline" not in server.log
    assert "Traceback" not in server.log


def test_no_request_on_a_kept_connection_is_lost_by_reloads(served):
    server = served("hello", "-w", "2", "--idle-grace", "10", "--log-level", "debug").serving()
    clients = KeepAliveClients(is_tls=False)
    load = Load(clients.ask, server.address)
    with contextlib.closing(clients), load.running(6):
        for number in range(2, 12):
            load.wait_for_answers(5)
            server.send(signal.SIGHUP)
            server.logged(rf"reloaded: generation {number} serves")
            for _ in range(2):
                server.logged(rf"worker {number - 1}\.\d \(process \d+\) exited with code 0")
    assert load.failures == [], server.log
    assert server.end() == 0


def test_no_request_on_a_new_connection_is_lost_by_reloads(served):
    server = served("hello", "-w", "2", "--idle-grace", "0.5").serving()
    load = Load(ask_on_a_new_connection, server.address)
    with load.running(6):
        for number in range(2, 12):
            load.wait_for_answers(20)
            server.send(signal.SIGHUP)
            server.logged(rf"reloaded: generation {number} serves")
    assert load.failures == [], server.log
    assert server.end() == 0


def ask_on_a_new_connection(address):
    with socket.create_connection(address, timeout=DEADLINE) as sock:
        assert ask(sock).body == b"hello\n"


# ---- figures


def test_status_has_answers_bytes_and_requests_in_flight(served):
    server = served("app", *STATUS).serving()
    with connect(server.address) as sock, connect(server.address) as other:
        for code in (200, 200, 204, 302, 404):
            ask(sock, get(f"/status?{code}"))
        other.sendall(post("/read", 5))
        wait_until_blocking(lambda: in_flight(server) == 1, "the request in flight")
        told = report_of(server)
        text = status_page(server, "/metrics")
        stub = status_page(server, "/")
    (worker,) = told["workers"]
    assert worker["answers"] == {"1xx": 0, "2xx": 3, "3xx": 1, "4xx": 1, "5xx": 0}
    assert told["totals"]["answers"] == worker["answers"]
    assert (worker["in_flight"], told["totals"]["in_flight"]) == (1, 1)
    assert told["totals"]["requests"] == 5
    sent = sum(len(get(f"/status?{code}")) for code in (200, 200, 204, 302, 404))
    assert worker["received_bytes"] == sent + len(post("/read", 5))
    assert 500 < worker["sent_bytes"] < 2000
    assert 'ngxloop_answers_total{class="2xx"} 3\n' in text
    assert re.search(r"^ngxloop_requests_in_flight\{.*\} 1$", text, re.MULTILINE)
    assert f"ngxloop_sent_bytes_total {told['totals']['sent_bytes']}\n" in text
    assert "Writing: 1 Waiting: 1" in stub


def in_flight(server):
    return report_of(server)["workers"][0].get("in_flight")


def test_answers_of_a_worker_that_has_ended_still_count(served):
    server = served("app", *STATUS, "--idle-grace", "0", "--log-level", "debug").serving()
    ask_once(server, get("/status?503"))
    server.send(signal.SIGHUP)
    server.logged("reloaded: ")
    server.logged("exited with code 0")
    totals = report_of(server)["totals"]
    assert totals["answers"]["5xx"] == 1
    assert totals["in_flight"] == 0


@pytest.mark.parametrize(
    "words", [["web_asgi:app", "--interface", "asgi-uvicorn"], ["web_aiohttp:app"]], ids=" ".join
)
def test_bytes_are_counted_and_answers_unknown_with_other_servers(serve, words):
    server = serve(*words, *STATUS).serving()
    http_get(server.address)
    wait_until_blocking(lambda: report_of(server)["totals"]["sent_bytes"] > 100, "sent bytes")
    told = report_of(server)
    assert told["totals"]["received_bytes"] > 30
    assert (told["workers"][0]["answers"], told["totals"]["answers"]) == (None, None)
    assert "ngxloop_answers_total{" not in status_page(server, "/metrics")


# ---- the access log


def test_access_log_has_a_line_for_every_request_and_every_refusal(served, tmp_path):
    file = tmp_path / "access.log"
    server = served("app", f"--access-log={file}").serving()
    with connect(server.address) as sock:
        ask(sock, get("/status?404"))
        host, port = sock.getsockname()
    with connect(server.address) as sock:
        ask(sock, b"nonsense\r\n\r\n")
    with connect(server.address) as sock:
        sock.sendall(get("/poll"))
        server.logged("poll waits")
    wait_until_blocking(lambda: file.read_text().count("\n") == 3, "the line of the poll")
    assert server.end() == 0
    first, second, third = file.read_text().splitlines()
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} \d+ "
    assert re.fullmatch(stamp + rf'{host}:{port} - "GET /status\?404 HTTP/1\.1" 404', first)
    assert re.fullmatch(stamp + r'127[\d.]+:\d+ - "-" 400', second)
    assert third.endswith('"GET /poll HTTP/1.1" 499')


def test_format_of_the_access_log_has_bytes_and_duration(served, tmp_path):
    file = tmp_path / "access.log"
    form = "%(method)s %(full_path)s %(http_version)s %(status_code)s %(body_bytes)d %(duration).3f"
    server = served("app", f"--access-log={file}", "--access-log-format", form).serving()
    ask_once(server, get("/status?200"))
    assert server.end() == 0
    assert re.fullmatch(r"GET /status\?200 1\.1 200 OK 10 \d+\.\d{3}\n", file.read_text())


@pytest.mark.parametrize("interface", ["asgi", "asgi-uvicorn"])
def test_a_format_means_the_same_as_with_uvicorn(serve, tmp_path, interface):
    file = tmp_path / "access.log"
    form = "%(request_line)s!%(status_code)s"
    options = [f"--access-log={file}", "--access-log-format", form]
    server = serve("web_engine:app", "--interface", interface, *options).serving()
    ask_once(server, get("/status?404"))
    assert server.end() == 0
    assert file.read_text() == "GET /status?404 HTTP/1.1!404 Not Found\n"


@pytest.mark.parametrize("form", ["no field", "%(colour)s", "%a %y", "%(status)"])
def test_format_that_cannot_be_used_is_one_line(served, form):
    server = served("app", "--access-log", "--access-log-format", form)
    assert server.ended() == ExitCode.USAGE
    assert f"ngxloop-serve: --access-log-format: {form!r}" in server.log
    assert "use %(h)s" in server.log
    assert "Traceback" not in server.log


def test_access_log_in_json_has_fields_of_its_own(served, tmp_path):
    file = tmp_path / "access.log"
    server = served("app", f"--access-log={file}", "--log-format", "json")
    server.logged('"serving ')
    ask_once(server, get("/status?404"))
    assert server.end() == 0
    told = json.loads(file.read_text())
    assert [told[name] for name in ("method", "full_path", "status")] == ["GET", "/status?404", 404]
    assert (told["body_bytes"], told["level"]) == (10, "info")
    assert 0 <= told["duration"] < DEADLINE
    assert told["message"].endswith('"GET /status?404 HTTP/1.1" 404')


def test_client_on_a_unix_socket_has_nginxs_name(served, tmp_path):
    file, path = tmp_path / "access.log", tmp_path / "app.sock"
    server = served("app", f"--access-log={file}", "--bind", f"unix:{path}").serving()
    with connect(str(path)) as sock:
        ask(sock)
    assert server.end() == 0
    assert ' unix: - "GET / HTTP/1.1" 200' in file.read_text()


# ---- the log


def test_exception_of_an_application_is_logged_once_as_a_line_of_the_worker(served):
    server = served().serving()
    assert ask_once(server, get("/fail")).status == 500
    server.logged(r"ERROR   worker 1\.0\[\d+\] Exception in ASGI application\n")
    server.logged("LookupError: asked to fail")
    assert server.log.count("LookupError: asked to fail") == 1
