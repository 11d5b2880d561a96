"""Workers that cannot answer: found, shown, replaced; those that are only told to end as well."""

import contextlib
import os
import re
import signal
import time
from pathlib import Path

import pytest

from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.base.timing import KILL_SECONDS, STACK_SECONDS
from ngxloop.serving.config.config import Config
from tests.serving.support import (
    children,
    connect,
    connection_to,
    http_get,
    receive_line,
    wait_gone,
)
from tests.support.waiting import wait_until_blocking

MODES = ["fair", "mutex", "exclusive", "plain", "reuseport"]
BLOCKED = r'stuck\.py", line \d+ in block'


@pytest.mark.parametrize("mode", MODES)
def test_stopped_worker_is_replaced(serve, mode):
    options = ["--workers", "2", "--hang-timeout", "1", "--accept", mode]
    server = serve("stuck:handle", *options).serving()
    pid, other = server.worker_pids(1)
    os.kill(pid, signal.SIGSTOP)
    server.logged(rf"\(process {pid}\): event loop blocked for ")
    server.logged(rf"\(process {pid}\): event loop blocked; killed; it is stopped")
    server.logged(r"worker 1\.\d ready")
    wait_gone(pid)
    assert f"(process {other}): event loop blocked" not in server.log
    assert greeting(server) != pid


def greeting(server):
    """Return who serves a new connection."""
    with connect(server.address) as sock:
        return int(receive_line(sock))


@pytest.mark.parametrize(
    ("order", "place"),
    [
        ("block", "block"),
        ("keep lock", "keep_lock"),
        ("keep lock in thread", "keep_lock"),
    ],
    ids=["callback", "lock", "lock_in_thread"],
)
def test_stuck_worker_is_replaced_and_its_stack_shown_with_its_name(serve, order, place):
    server = serve("stuck:handle", "--hang-timeout", "1").serving()
    with connect(server.address) as sock:
        pid = int(receive_line(sock))
        sock.sendall(order.encode() + b"\n")
        server.logged(rf"\(process {pid}\): event loop blocked for ")
        server.logged(rf'stuck\.py", line \d+ in {place}\n')
        server.logged(
            rf"worker 1\.0 \(process {pid}\): event loop blocked; killed; its stacks follow"
        )
        server.logged(r"worker 1\.0 ready")
    assert greeting(server) != pid


def test_workers_that_hang_together_are_accused_once_and_each_shows_its_own_stack(serve):
    options = ["--workers", "4", "--hang-timeout", "1"]
    server = serve("stuck:handle", *options).serving()
    pids = server.worker_pids(1)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connection_to(server, pid)) for pid in pids]
        for sock in socks:
            sock.sendall(b"block\n")
        for _ in pids:
            server.logged(
                r"worker 1\.\d \(process \d+\): event loop blocked; killed; its stacks follow"
            )
    wait_gone(*pids)
    server.caught_up()
    begin = 0
    for found in list(re.finditer(r"\(process (\d+)\): event loop blocked; killed", server.log)):
        record = server.log[begin : found.end()]
        assert len(re.findall(BLOCKED, record)) == 1
        begin = found.end()
    for pid in pids:
        assert server.log.count(f"(process {pid}): event loop blocked for") == 1
        assert server.log.count(f"(process {pid}): event loop blocked; killed") == 1


def test_worker_that_goes_on_is_spared(serve):
    server = serve("stuck:handle", "--hang-timeout", "1").serving()
    (pid,) = server.worker_pids(1)
    os.kill(pid, signal.SIGSTOP)
    server.logged("event loop blocked for")
    os.kill(pid, signal.SIGCONT)
    server.logged(rf"\(process {pid}\) recovered, not killed")
    assert greeting(server) == pid


def test_everybody_that_was_stopped_together_is_spared(serve):
    server = serve("stuck:handle", "--hang-timeout", "1", "--workers", "2").serving()
    pids = server.worker_pids(1)
    everybody = [server.pid, *pids]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(3)  # longer than the time-out, and the time to come back
    for pid in everybody:
        os.kill(pid, signal.SIGCONT)
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves")
    assert "event loop blocked" not in server.log


def test_worker_that_hangs_while_a_reload_is_under_way_does_not_stop_it(serve):
    server = serve("stuck:handle", "--hang-timeout", "1", "--graceful-timeout", "1").serving()
    (pid,) = server.worker_pids(1)
    with connect(server.address) as sock:
        receive_line(sock)
        sock.sendall(b"block\n")
        server.send(signal.SIGHUP)
        server.logged("reloaded: generation 2 serves")
        wait_gone(pid)
    assert greeting(server) == server.worker_pids(2)[0]


def test_worker_that_is_stopped_before_it_is_ready_is_ended(serve):
    server = serve("stuck:start_slowly", "--factory", "--start-timeout", "2", "--log-level=debug")
    pid = int(server.logged(r"worker 1\.0 started, process (\d+)").group(1))
    os.kill(pid, signal.SIGSTOP)
    server.logged(rf"\(process {pid}\) did not exit in time; killed; it is stopped")
    server.logged("was not ready after 2 s")
    assert server.ended() == ExitCode.START_TIMEOUT


@pytest.mark.parametrize("stop", [False, True], ids=["thread", "stopped"])
def test_worker_that_does_not_end_is_killed_and_the_log_says_what_it_waits_for(serve, stop):
    server = serve("stuck:handle", "--graceful-timeout", "1", "--hang-timeout", "0").serving()
    (pid,) = server.worker_pids(1)
    with connect(server.address) as sock:
        receive_line(sock)
        sock.sendall(b"work in thread\n")
        sock.sendall(b"work in thread\n")
    if stop:
        os.kill(pid, signal.SIGSTOP)
    server.send(signal.SIGTERM)
    if not stop:
        server.logged(r"Thread 0x[0-9a-f]+.*\n(?:  .*\n)*  .* in work_for_an_hour\n")
    reason = "it is stopped" if stop else "its stacks follow"
    server.logged(rf"\(process {pid}\) did not exit in time; killed; {reason}")
    assert server.ended() == 0


def test_default_graceful_timeout_ends_before_service_managers_kill():
    config = Config(app="a:b")
    assert KILL_SECONDS + STACK_SECONDS < 1
    assert config.drain_delay + config.graceful_timeout + 1 < 30


def test_stopped_zygote_keeps_no_place_empty(serve):
    options = ["--preload", "--workers", "2", "--log-level", "debug"]
    server = serve("stuck:handle", *options).serving()
    pids = server.worker_pids(1)
    wait_until_blocking(lambda: len(children(server.pid)) == 3, "the end of the keeper")
    (zygote,) = set(children(server.pid)) - set(pids)
    os.kill(zygote, signal.SIGSTOP)
    os.kill(pids[0], signal.SIGKILL)
    server.logged("loads its application in each worker from now on")
    server.logged(r"worker 1\.\d ready")
    wait_gone(zygote)


def test_readiness_ends_while_no_worker_can_answer(serve):
    options = ["--workers", "2", "--hang-timeout", "2", "--status-bind", "127.0.0.1:0"]
    server = serve("stuck:handle", *options).serving()
    host, _, port = server.status_address.rpartition(":")

    def code():
        return http_get((host, int(port)), "/readyz")[0]

    wait_until_blocking(lambda: code() == 200, "a report of now")
    pids = server.worker_pids(1)
    os.kill(pids[0], signal.SIGSTOP)
    server.logged(rf"\(process {pids[0]}\): event loop blocked")
    assert code() == 200  # the other one can
    server.logged(r"worker 1\.\d ready")
    for pid in server.worker_pids(1)[1:]:
        os.kill(pid, signal.SIGSTOP)
    wait_until_blocking(lambda: code() == 503, "it is not ready")
    server.logged(r"worker 1\.\d ready")
    wait_until_blocking(lambda: code() == 200, "it is ready again")


# Connections that nobody takes.


def test_mutex_of_a_stopped_worker_keeps_no_connection_waiting(serve):
    options = ["--workers", "4", "--accept", "mutex", "--hang-timeout", "0"]
    server = serve("stuck:handle", *options).serving()
    for pid in server.worker_pids(1):
        os.kill(pid, signal.SIGSTOP)
        assert greeting(server) != pid
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("mode", ["fair", "exclusive", "mutex", "plain"])
def test_worker_without_the_lock_keeps_no_connection_waiting(serve, mode):
    options = ["--workers", "3", "--accept", mode, "--hang-timeout", "0"]
    server = serve("stuck:handle", *options).serving()
    stuck = server.worker_pids(1)[0]
    with connection_to(server, stuck) as sock:
        sock.sendall(b"keep lock in thread\n")
        begin = cpu_seconds(stuck)
        wait_until_blocking(lambda: cpu_seconds(stuck) > begin + 0.2, "the thread has the lock")
        for _ in range(6):
            assert greeting(server) != stuck
    os.kill(stuck, signal.SIGKILL)


def cpu_seconds(pid):
    """Return how much a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) / os.sysconf("SC_CLK_TCK")


def test_unix_listener_that_a_worker_has_shut_down_is_opened_anew(serve, tmp_path):
    path = str(tmp_path / "app.sock")
    server = serve("stuck:handle", "--bind", f"unix:{path}").serving()
    with connect(path) as sock:
        receive_line(sock)
        sock.sendall(b"shut down\n")
        server.logged("a worker has shut the listener down; reloading")
        server.logged("reloaded: generation 2 serves")
    with connect(path) as sock:
        assert int(receive_line(sock)) == server.worker_pids(2)[0]
    assert server.end() == 0
    assert not os.path.exists(path)
