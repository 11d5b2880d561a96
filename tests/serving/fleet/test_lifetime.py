"""Workers that hang are killed with their stacks shown; those that are worn are followed first."""

import contextlib
import itertools
import json
import os
import re
import signal
import time

import pytest

from tests.serving.apps.web_asgi import WAKE
from tests.serving.support import DEADLINE, connect, http_get, receive_line, wait_gone
from tests.support.waiting import wait_until_blocking


@pytest.mark.complaint(11)
@pytest.mark.complaint(12)
def test_hung_worker_shows_its_stacks_and_is_replaced(serve):
    server = serve("web_asgi:app", "--hang-timeout", "0.5").serving()
    (pid,) = server.worker_pids(1)
    with connect(server.address) as sock:
        sock.sendall(b"GET /block HTTP/1.1\r\nHost: test\r\n\r\n")
        server.logged(rf"\(process {pid}\): event loop blocked for ")
        server.logged(r'web_asgi.py", line \d+ in block')
        server.logged(rf"\(process {pid}\): event loop blocked; killed")
    server.logged(r"worker 1\.0 ready")
    assert http_get(server.address)[0] == 200


@pytest.mark.complaint(11)
def test_idle_worker_is_not_hung(serve):
    options = ["--hang-timeout", "1", "--workers", "2", "--status-bind", "127.0.0.1:0"]
    server = serve("web_asgi:app", *options).serving()
    host, _, port = server.status_address.rpartition(":")

    def ages():
        status = json.loads(http_get((host, int(port)), "/status.json")[1])
        return [worker["age"] for worker in status["workers"]]

    wait_until_blocking(lambda: min(ages()) > 2.5, "workers to have idled for long")
    assert http_get(server.address)[0] == 200
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves")
    assert "event loop blocked" not in server.log


@pytest.mark.complaint(11)
@pytest.mark.complaint(12)
def test_worker_that_comes_back_is_spared(serve):
    server = serve("web_asgi:app", "--hang-timeout", "0.3").serving()
    with connect(server.address) as sock:
        sock.sendall(b"GET /nap HTTP/1.1\r\nHost: test\r\n\r\n")
        server.logged("worker naps")
        server.logged("event loop blocked for")
        os.kill(server.worker_pids(1)[0], WAKE)
        assert receive_line(sock) == b"HTTP/1.1 200 OK\r\n"
    server.logged("recovered, not killed")
    assert http_get(server.address)[0] == 200


@pytest.mark.complaint(11)
def test_master_that_was_stopped_itself_forgives(serve):
    server = serve("web_asgi:app", "--hang-timeout", "1").serving()
    with connect(server.address) as sock:
        server.send(signal.SIGSTOP)
        sock.sendall(b"GET /nap HTTP/1.1\r\nHost: test\r\n\r\n")
        server.logged("worker naps")
        time.sleep(1.2)  # longer than the time-out
        server.send(signal.SIGCONT)
        server.caught_up()  # the master has looked, and the worker still blocks
        os.kill(server.worker_pids(1)[0], WAKE)
        assert receive_line(sock) == b"HTTP/1.1 200 OK\r\n"
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves")
    assert "event loop blocked" not in server.log


@pytest.mark.complaint(8)
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--max-lifetime", "0.3"], r"it has served for 0 s"),
        (["--max-rss", "1"], r"it uses \d+ MiB, more than 1"),
    ],
    ids=["lifetime", "rss"],
)
def test_worn_worker_drains_after_its_replacement_is_ready(serve, options, reason):
    server = serve("plain:echo", *options).serving()
    with connect(server.address) as sock:
        old = int(receive_line(sock))  # on a busy machine not the first one
        server.logged(rf"worker 1\.0 \(process {old}\) is replaced: {reason}")
        new = int(server.logged(r"worker 1\.0 ready \(process (\d+)\)").group(1))
        sock.sendall(b"still there\n")
        assert receive_line(sock) == b"still there\n"
        assert new != old
    wait_gone(old)


@pytest.mark.complaint(8)
def test_worn_workers_leave_one_after_the_other(serve):
    """Of four, one at a time: the next begins when the one before is gone."""
    options = ["--workers", "4", "--max-lifetime", "0.1", "--log-level", "debug"]
    server = serve("plain:Echo", *options).serving()
    for _ in range(8):
        server.logged("is replaced")
    events = re.findall(r"is replaced|process \d+\) exited with code 0", server.log)
    assert "is replaced" not in [a for a, b in itertools.pairwise(events) if a == b]


def test_replacement_that_does_not_start_leaves_the_old_one_serving(serve, tmp_path):
    path = tmp_path / "site_app.py"
    path.write_text("import asyncio\nclass App(asyncio.Protocol): pass\n")
    options = ["--app-dir", str(tmp_path), "--max-lifetime", "0.2"]
    server = serve("site_app:App", *options).serving()
    path.write_text("1 / 0\n")
    server.logged("ZeroDivisionError")
    server.logged(r"worker 1\.0 goes on serving; a successor is tried again in ")
    pids = server.worker_pids(1)
    assert os.path.exists(f"/proc/{pids[-1]}")
    path.write_text("import asyncio\nclass App(asyncio.Protocol): pass\n")
    server.logged(r"worker 1\.0 ready")


def test_worker_with_a_replacement_that_starts_may_die(serve):
    server = serve("web_asgi:app", "--workers", "2", "--max-lifetime", "0.2").serving()
    killed_count = 0
    while killed_count < 4:
        pid = int(server.logged(r"\(process (\d+)\) is replaced").group(1))
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.kill(pid, signal.SIGKILL)
            killed_count += 1
        server.logged(r"worker 1\.\d ready")
    assert http_get(server.address)[0] == 200
    assert server.end() == 0


@pytest.mark.complaint(8)
@pytest.mark.parametrize(
    ("app", "interface"),
    [("web_asgi:app", "asgi"), ("web_asgi:app", "asgi-uvicorn"), ("web_aiohttp:app", "aiohttp")],
)
def test_worker_is_followed_after_its_last_request_and_none_fails(serve, app, interface):
    options = ["--interface", interface]
    options += ["--max-requests", "5", "--max-requests-jitter", "3", "--workers", "2"]
    server = serve(app, *options).serving()
    end = time.monotonic() + DEADLINE
    seen = set()
    while len(seen) < 6 and time.monotonic() < end:
        seen.add(int(http_get(server.address)[1]))  # fails if a single request does
    assert len(seen) == 6
    server.logged("it has served as many requests as it may")
