"""The status over HTTP, to systemd, and in process titles."""

import http.client
import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.serving.support import DEADLINE, connect, http_get, receive_line, wait_gone
from tests.support.waiting import wait_until_blocking

ROOT = Path(__file__).parents[3]
STATUS = ["--status-bind", "127.0.0.1:0"]


def status_address(server):
    host, _, port = server.status_address.rpartition(":")
    return host, int(port)


def report_of(server):
    code, body = http_get(status_address(server), "/status.json")
    assert code == 200
    return json.loads(body)


def wait_for_report(server, is_wanted):
    """Return the first wanted report; of a slow master there may be an older one before."""
    found = []

    def is_found():
        found[:] = [report_of(server)]
        return is_wanted(found[0])

    wait_until_blocking(is_found, "the report")
    return found[0]


def pids_of(told):
    return {one["pid"] for one in told["workers"]}


@pytest.fixture
def manager(tmp_path):
    """A socket as systemd has it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(40)
        yield sock


def notified(manager):
    return dict(line.split("=", 1) for line in manager.recv(4096).decode().splitlines())


@pytest.mark.complaint(19)
def test_figures_of_all_workers_come_from_one_place(serve):
    server = serve("plain:Echo", *STATUS, "--workers", "3").serving()
    clients = [connect(server.address) for _ in range(6)]
    for client in clients:
        receive_line(client)
    expected = set(server.worker_pids(1))
    told = wait_for_report(server, lambda told: pids_of(told) == expected)
    assert told["totals"]["accepted"] == sum(one["accepted"] for one in told["workers"]) == 6
    for client in clients:
        client.close()


def test_answers_are_counted(serve):
    server = serve("web_asgi:app", *STATUS).serving()
    client = http.client.HTTPConnection(*server.address, timeout=DEADLINE)
    for _ in range(3):
        client.request("GET", "/")
        assert client.getresponse().read()
    client.close()

    wait_for_report(server, lambda told: told["totals"]["requests"] >= 3)
    assert report_of(server)["totals"]["requests"] == 3


@pytest.mark.complaint(19)
def test_metrics_are_prometheus_text(serve):
    server = serve("plain:Echo", *STATUS, "--workers", "2").serving()
    wait_for_report(server, lambda told: told["ready"])
    code, body = http_get(status_address(server), "/metrics")
    text = body.decode()
    assert code == 200
    assert 'ngxloop_workers{state="ready"} 2\n' in text
    assert re.search(r'^ngxloop_worker_rss_bytes\{worker="1",.*\} \d', text, re.MULTILINE)
    assert f'ngxloop_listen_queue{{addr="{server.addresses[0]}"}} 0\n' in text
    for line in text.splitlines():
        assert re.fullmatch(r"# TYPE \w+ (gauge|counter)|\w+(\{.*\})? [-+.e\d]+", line)


def test_root_is_nginxs_stub_status(serve):
    server = serve("plain:Echo", *STATUS).serving()
    with connect(server.address) as sock:
        receive_line(sock)
        body = http_get(status_address(server), "/")[1].decode()
    assert body == (
        "Active connections: 1 \nserver accepts handled requests\n 1 1 0 \n"
        "Reading: 0 Writing: 0 Waiting: 1 \n"
    )


@pytest.mark.complaint(19)
def test_stuck_worker_does_not_hide_the_status(serve):
    server = serve("plain:Echo", *STATUS).serving()
    os.kill(server.worker_pids(1)[0], signal.SIGSTOP)
    assert http_get(status_address(server), "/healthz") == (200, b"ok\n")
    wait_for_report(server, lambda told: told["ready"])
    assert http_get(status_address(server), "/readyz") == (200, b"ready\n")


@pytest.mark.complaint(7)
def test_readiness_is_withdrawn_while_workers_still_accept(serve):
    server = serve("plain:Echo", *STATUS, "--drain-delay", "3000").serving()
    server.send(signal.SIGTERM)
    server.logged("ending: workers go on accepting")
    wait_for_report(server, lambda told: not told["ready"])
    assert http_get(status_address(server), "/readyz") == (503, b"not ready\n")
    assert http_get(status_address(server), "/healthz")[0] == 200
    with connect(server.address) as sock:
        assert receive_line(sock)
    server.end_now()
    assert server.ended() == 0


def test_status_is_not_ready_before_the_workers_are(serve):
    server = serve("web_asgi:start_forever", *STATUS, "--log-level", "debug")
    server.logged("worker 1.0 started")
    assert http_get(status_address(server), "/readyz")[0] == 503


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (b"GET /nothing HTTP/1.1\r\n\r\n", 404),
        (b"POST / HTTP/1.1\r\n\r\n", 405),
        (b"HEAD /healthz HTTP/1.0\r\n\r\n", 200),
        (b"GET /healthz?verbose=1 HTTP/1.1\r\n\r\n", 200),
        (b"hello\r\n\r\n", 400),
        (b"\xff\xfe / HTTP/1.1\r\n\r\n", 400),
    ],
)
def test_request_gets_its_code(serve, request_bytes, code):
    server = serve("plain:Echo", *STATUS).serving()
    with connect(status_address(server)) as sock:
        sock.sendall(request_bytes)
        assert receive_line(sock).split()[1] == b"%d" % code


def test_status_moves_to_the_new_master(serve):
    server = serve("plain:Echo", *STATUS).serving()
    server.send(signal.SIGUSR2)
    new = int(server.logged(r"the new master \(process (\d+)\) serves").group(1))
    wait_for_report(server, lambda told: told["pid"] == new)  # the old one answers until it pauses
    os.kill(new, signal.SIGQUIT)
    server.logged("this one continues")
    assert report_of(server)["pid"] == server.pid
    wait_gone(new)


def test_systemd_is_told_what_happens(serve, manager):
    variables = ["env", f"NOTIFY_SOCKET={manager.getsockname()}"]
    server = serve("plain:Echo", wrapper=variables).serving()
    told = notified(manager)
    assert (told["READY"], told["MAINPID"]) == ("1", str(server.pid))
    server.send(signal.SIGHUP)
    told = notified(manager)
    assert told["RELOADING"] == "1"
    assert int(told["MONOTONIC_USEC"]) > 0
    assert notified(manager)["STATUS"] == "1 workers serve, generation 2"
    server.send(signal.SIGTERM)
    assert notified(manager)["STOPPING"] == "1"
    assert server.ended() == 0


def test_systemd_learns_of_the_new_main_process(serve, manager):
    variables = ["env", f"NOTIFY_SOCKET={manager.getsockname()}"]
    server = serve("plain:Echo", wrapper=variables).serving()
    notified(manager)
    server.send(signal.SIGUSR2)
    new = server.logged(r"the new master \(process (\d+)\) serves").group(1)
    assert notified(manager)["MAINPID"] == new
    os.kill(int(new), signal.SIGQUIT)
    assert notified(manager)["STOPPING"] == "1"
    assert notified(manager)["MAINPID"] == str(server.pid)


def test_watchdog_is_fed_twice_in_each_period(serve, manager):
    variables = ["env", f"NOTIFY_SOCKET={manager.getsockname()}", "WATCHDOG_USEC=100000"]
    serve("plain:Echo", wrapper=variables).serving()
    notified(manager)
    for _ in range(4):
        assert notified(manager) == {"WATCHDOG": "1"}


def test_titles_say_who_is_who(serve):
    pytest.importorskip("setproctitle")
    server = serve("plain:Echo").serving()
    titles = [
        Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (server.pid, *server.worker_pids(1))
    ]
    assert titles[0].startswith(b"ngxloop: master [plain:Echo]")
    assert titles[1].startswith(b"ngxloop: worker 1.0 [plain:Echo]")


def test_without_setproctitle_all_works(serve, tmp_path):
    (tmp_path / "setproctitle.py").write_text("raise ImportError('hidden')\n")
    server = serve("plain:Echo", wrapper=["env", f"PYTHONPATH={tmp_path}:{ROOT}"]).serving()
    assert server.end() == 0
