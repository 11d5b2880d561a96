"""HUP replaces all workers without a failed request, or, if the new ones cannot start, none."""

import asyncio
import contextlib
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.serving.load import Load
from tests.serving.support import connect, connection_to, http_get, receive_line, wait_gone
from tests.support.addresses import free_bind
from tests.support.waiting import wait_until_blocking

VERSION = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"{}"}})
"""


@pytest.mark.complaint(6)
@pytest.mark.complaint(2)
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("app", "interface", "workers", "reload_count"),
    [
        ("web_asgi:app", "asgi", 4, 20),
        ("web_asgi:app", "asgi-uvicorn", 4, 20),
        ("web_aiohttp:app", "aiohttp", 2, 5),
    ],
    ids=["asgi", "asgi-uvicorn", "aiohttp"],
)
async def test_reload_under_load_fails_no_request(serve, app, interface, workers, reload_count):
    options = ["--interface", interface, "--workers", str(workers)]
    server = await asyncio.to_thread(serve(app, *options).serving)
    async with Load(server.url, fresh_count=3, kept_count=3).running() as load:
        for generation in range(2, reload_count + 2):
            server.send(signal.SIGHUP)
            await asyncio.to_thread(server.logged, rf"reloaded: generation {generation} serves")
            await load.answered(server.worker_pids(generation))
            await load.answered_more(20)
    assert load.failures == []


def test_reload_replaces_every_worker(serve):
    server = serve("web_asgi:app", "--workers", "2").serving()
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves, 1 drains")
    wait_gone(*server.worker_pids(1))
    assert int(http_get(server.address)[1]) in server.worker_pids(2)
    assert server.end() == 0


def test_reload_serves_the_new_code(serve, tmp_path):
    path = tmp_path / "site_app.py"
    path.write_text(VERSION.format("one"))
    server = serve("site_app:app", "--app-dir", str(tmp_path)).serving()
    assert http_get(server.address)[1] == b"one"
    path.write_text(VERSION.format("two"))
    server.send(signal.SIGHUP)
    server.logged("reloaded")
    wait_gone(*server.worker_pids(1))
    assert http_get(server.address)[1] == b"two"


@pytest.mark.complaint(9)
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import sys; sys.exit(1)", "SystemExit"),
        ("other = 1", "has no attribute 'app'"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
        ("import os; os._exit(0)", "exited with code 0 while starting"),
    ],
)
def test_reload_with_broken_code_keeps_the_old_workers_and_says_so(serve, tmp_path, source, words):
    path = tmp_path / "site_app.py"
    path.write_text(VERSION.format("one"))
    options = ["--app-dir", str(tmp_path), "--workers", "2"]
    server = serve("site_app:app", *options).serving()
    pids = server.worker_pids(1)
    path.write_text(source)
    server.send(signal.SIGHUP)
    server.logged("reload failed: generation 1 goes on serving")
    assert words in server.log
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    assert http_get(server.address)[1] == b"one"
    path.write_text(VERSION.format("two"))
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 3 serves, 1 drains")
    assert server.end() == 0


def test_reload_whose_workers_are_not_ready_in_time_keeps_the_old_ones(serve, tmp_path):
    path = tmp_path / "site_app.py"
    path.write_text(VERSION.format("one"))
    options = ["--app-dir", str(tmp_path), *configured(tmp_path)]
    server = serve("site_app:app", *options).serving()
    path.write_text("import os\nos.read(os.pipe()[0], 1)\n")
    configured(tmp_path, start_timeout=0.5)
    server.send(signal.SIGHUP)
    server.logged("not ready after 0.5 s")
    server.logged("reload failed: generation 1 goes on serving")
    assert http_get(server.address)[1] == b"one"


def test_reload_leaves_a_reserve_for_workers_that_leave(serve):
    server = serve("plain:hang", "--graceful-timeout", "3000").serving()
    with contextlib.ExitStack() as opened:
        for generation in (2, 3, 4):
            (pid,) = server.worker_pids(generation - 1)
            opened.enter_context(connection_to(server, pid))
            server.send(signal.SIGHUP)
            server.logged(rf"reloaded: generation {generation} |the reload waits")
        (pid,) = server.worker_pids(3)
        opened.enter_context(connection_to(server, pid))
        os.kill(pid, signal.SIGTERM)
        server.logged(r"worker 3\.0 ready")
        assert "is stopped" not in server.log


def test_reload_during_a_reload_follows_it(serve):
    server = serve("web_asgi:app", "--log-level", "debug").serving()
    server.send(signal.SIGHUP)
    server.logged(r"worker 2.0 started")
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves")
    server.logged("reloaded: generation 3 serves")
    assert server.end() == 0


def test_reload_before_the_first_workers_are_ready_follows_their_start(serve):
    server = serve("web_asgi:app", "--log-level", "debug")
    server.logged("worker 1.0 started")
    server.send(signal.SIGHUP)
    server.logged("serving ")
    server.logged("reloaded: generation 2 serves")


def test_signal_during_a_reload_ends_both_generations(serve, tmp_path):
    path = tmp_path / "site_app.py"
    path.write_text(VERSION.format("one"))
    options = ["--app-dir", str(tmp_path), "--log-level", "debug"]
    server = serve("site_app:app", *options).serving()
    path.write_text("import os\nos.read(os.pipe()[0], 1)\n")
    server.send(signal.SIGHUP)
    server.logged("worker 2.0 started")
    assert server.end() == 0


def test_master_keeps_no_descriptor_and_no_thread_over_reloads(serve):
    server = serve("plain:Echo", "--workers", "2", "--log-level", "debug").serving()
    server.caught_up()
    before = open_descriptors(server)
    for generation in range(2, 12):
        server.send(signal.SIGHUP)
        server.logged(f"reloaded: generation {generation} serves")
        for _ in range(2):
            server.logged(rf"worker {generation - 1}.\d \(process \d+\) exited with code 0")
    server.caught_up()
    assert open_descriptors(server) == before
    status = Path(f"/proc/{server.pid}/status").read_text()
    assert re.search(r"^Threads:\s+1$", status, re.MULTILINE)


def open_descriptors(server):
    return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))


def configured(tmp_path, **values):
    lines = [f"{name} = {value}" for name, value in values.items()]
    path = tmp_path / "ngxloop.toml"
    path.write_text("\n".join(lines) + "\n")
    return ["--config", str(path)]


def test_reload_reads_the_configuration_and_exchanges_addresses(serve, tmp_path):
    kept, gone, added = free_bind(), free_bind(), free_bind()
    options = configured(tmp_path, bind=[kept, gone], workers=1)
    server = serve("plain:echo", *options, bind=None).serving()
    with connect(server.address) as sock:
        receive_line(sock)
        configured(tmp_path, bind=[kept, added], workers=2)
        server.send(signal.SIGHUP)
        server.logged(f"listening on {added}")
        server.logged("reloaded: generation 2 serves, 1 drains")
        sock.sendall(b"still there\n")
        assert receive_line(sock) == b"still there\n"
    wait_gone(*server.worker_pids(1))
    assert len(server.worker_pids(2)) == 2
    for address in (kept, added):
        with connect(parse_address(address)) as sock:
            assert receive_line(sock) in pids_as_lines(server, 2)
    wait_until_free(gone)


def wait_until_free(address):
    """Wait until an address can be bound: the master closes it when it has reaped who had it."""

    def is_free():
        with contextlib.suppress(OSError), socket.create_server(parse_address(address)):
            return True

    wait_until_blocking(is_free, f"{address} to be free")


def parse_address(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def pids_as_lines(server, generation):
    return [b"%d\n" % pid for pid in server.worker_pids(generation)]


@pytest.mark.complaint(9)
@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"workers": 0}, "workers: 0"),
        ({"wrokers": 2}, "wrokers"),
        ({"workers": 5000}, "5000"),
        ({"workers": 200}, "a reload cannot raise their number to 200"),
        ({"bind": ["192.0.2.1:80"]}, "cannot bind 192.0.2.1:80"),
        ({"bind": ["127.0.0.1:{taken}"]}, "127.0.0.1:{taken} is in use"),
        ({"app": "'nothing:app'"}, "no module named 'nothing'"),
        ({"workers": "["}, "ngxloop.toml"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_reload_with_a_broken_configuration_changes_nothing(serve, tmp_path, values, words):
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        own = free_bind()
        options = configured(tmp_path, bind=[own], app="'plain:Echo'")
        server = serve(None, *options, bind=None).serving()
        bind = [text.format(taken=taken) for text in values.get("bind", [own])]
        configured(tmp_path, **{"app": "'plain:Echo'", **values, "bind": bind})
        server.send(signal.SIGHUP)
        server.logged("reload failed: generation 1 goes on serving")
        assert words.format(taken=taken) in server.log
        with connect(server.address) as sock:
            assert int(receive_line(sock)) in server.worker_pids(1)
        configured(tmp_path, bind=[own], app="'plain:Echo'")
        server.send(signal.SIGHUP)
        server.logged(r"reloaded: generation \d serves")


def test_failed_reload_closes_the_addresses_that_were_new_in_it(serve, tmp_path):
    kept, added = free_bind(), free_bind()
    options = configured(tmp_path, bind=[kept], app="'plain:Echo'")
    server = serve(None, *options, bind=None).serving()
    configured(tmp_path, bind=[kept, added], app="'nothing:app'")
    server.send(signal.SIGHUP)
    server.logged("reload failed")
    wait_until_free(added)


def test_reload_removes_the_file_of_a_unix_socket_that_is_gone(serve, tmp_path):
    options = configured(tmp_path, bind=[f"unix:{tmp_path}/a", f"unix:{tmp_path}/b"])
    server = serve("plain:Echo", *options, bind=None).serving()
    configured(tmp_path, bind=[f"unix:{tmp_path}/b"])
    server.send(signal.SIGHUP)
    server.logged("reloaded")
    wait_gone(*server.worker_pids(1))
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 3")
    wait_gone(*server.worker_pids(2))
    assert not (tmp_path / "a").exists()
    with connect(f"{tmp_path}/b") as sock:
        assert receive_line(sock) in pids_as_lines(server, 3)
