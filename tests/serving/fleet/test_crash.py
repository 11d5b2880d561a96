"""Processes that die without being asked: a worker is replaced, a master's workers go."""

import contextlib
import os
import signal
import socket
import threading
import time

import pytest

from tests.serving.support import (
    APPS,
    DEADLINE,
    connect,
    connection_to,
    http_get,
    kill_leftover,
    receive_line,
    wait_gone,
)


@pytest.mark.parametrize("mode", ["fair", "mutex", "exclusive", "plain"])
def test_killed_worker_loses_only_its_connections_and_is_replaced_at_once(serve, mode):
    server = serve("plain:Echo", "--workers", "4", "--accept", mode).serving()
    connections = [connect(server.address) for _ in range(40)]
    homes = [int(receive_line(sock)) for sock in connections]
    victim = homes[0]
    os.kill(victim, signal.SIGKILL)
    server.logged(rf"\(process {victim}\) was killed by SIGKILL")
    replacement = int(server.logged(r"worker 1\.\d ready \(process (\d+)\)").group(1))
    assert "next in" not in server.log  # what the master says of a respawn that waits
    assert_lost_only(victim, connections, homes)
    if mode in ("fair", "exclusive"):  # the others promise nobody a share
        connection_to(server, replacement).close()
    for sock in connections:
        sock.close()


@pytest.mark.parametrize("mode", ["fair", "mutex", "exclusive", "plain"])
def test_only_worker_when_killed_is_replaced_and_takes_what_waits(serve, mode):
    server = serve("plain:Echo", "--accept", mode).serving()
    (victim,) = server.worker_pids(1)
    os.kill(victim, signal.SIGKILL)
    wait_gone(victim)
    with connect(server.address) as sock:
        home = int(receive_line(sock))
    assert home == int(server.logged(r"worker 1\.\d ready \(process (\d+)\)").group(1))


def assert_lost_only(victim, connections, homes):
    for sock, home in zip(connections, homes, strict=True):
        if home == victim:
            assert sock.recv(1) == b""
        else:
            sock.sendall(b"still there\n")
            assert receive_line(sock) == b"still there\n"


def test_killed_worker_under_load_costs_no_request_of_the_others(serve):
    server = serve("web_asgi:app", "--workers", "4").serving()
    failures, stop = [], threading.Event()
    clients = [
        threading.Thread(target=keep_asking, args=(server.address, stop, failures))
        for _ in range(4)
    ]
    for client in clients:
        client.start()
    victims = server.worker_pids(1)[:2]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
        server.logged(r"worker 1\.\d ready \(process (\d+)\)")
    stop.set()
    for client in clients:
        client.join()
    assert len(failures) <= 2 * len(clients)  # what was in the victims' hands
    assert http_get(server.address)[0] == 200


def keep_asking(address, stop, failures):
    while not stop.is_set():
        try:
            assert http_get(address)[0] == 200
        except (OSError, ValueError) as error:  # reset, or an answer without a status
            failures.append(error)
        except IndexError as error:
            failures.append(error)


def test_worker_that_exits_is_replaced(serve):
    server = serve("plain:echo").serving()
    with connect(server.address) as sock:
        receive_line(sock)
        sock.sendall(b"exit\n")
        server.logged("exited with code 3")
    replacement = int(server.logged(r"worker 1\.0 ready \(process (\d+)\)").group(1))
    with connect(server.address) as sock:
        assert int(receive_line(sock)) == replacement


def test_idle_workers_that_get_a_term_of_their_own_are_heard_before_their_end(serve):
    server = serve("plain:echo", "--workers", "8").serving()
    for pid in server.worker_pids(1):
        os.kill(pid, signal.SIGTERM)
    for _ in range(8):
        server.logged("drains without order; respawning")
    for _ in range(8):
        server.logged(r"worker 1\.\d ready")
    assert "exited with code" not in server.log


def test_worker_that_gets_a_term_of_its_own_drains_and_is_replaced_first(serve):
    server = serve("plain:echo").serving()
    (first,) = server.worker_pids(1)
    with connect(server.address) as sock:
        receive_line(sock)
        os.kill(first, signal.SIGTERM)
        server.logged(rf"\(process {first}\) drains without order; respawning")
        second = int(server.logged(r"worker 1\.0 ready \(process (\d+)\)").group(1))
        sock.sendall(b"still there\n")
        assert receive_line(sock) == b"still there\n"
        with connect(server.address) as other:
            assert int(receive_line(other)) == second
    wait_gone(first)
    assert server.end() == 0


@pytest.mark.parametrize("count", [1, 2])
def test_worker_that_leaves_is_replaced_though_many_still_drain(serve, count):
    options = ["--workers", str(count), "--graceful-timeout", "3000"]
    server = serve("plain:hang", *options).serving()
    serving = server.worker_pids(1)
    with contextlib.ExitStack() as opened:
        for _ in range(4 * count):
            victim = serving.pop(0)
            opened.enter_context(connection_to(server, victim))
            os.kill(victim, signal.SIGTERM)
            server.logged("drains without order")
            found = server.logged(r"worker 1\.\d ready \(process (\d+)\)")
            serving.append(int(found.group(1)))
    assert "still drains and is stopped" in server.log
    assert "was killed by" not in server.log


def test_worker_that_gets_a_second_term_ends_at_once(serve):
    server = serve("plain:hang").serving()
    (pid,) = server.worker_pids(1)
    with connect(server.address) as sock:
        receive_line(sock)
        os.kill(pid, signal.SIGTERM)
        server.logged("drains without order")
        os.kill(pid, signal.SIGTERM)
        server.logged("handler cancelled")
    wait_gone(pid)


@pytest.mark.complaint(9)
def test_worker_that_dies_young_again_and_again_waits_longer_and_others_serve(serve):
    server = serve("plain:Echo", "--workers", "2").serving()
    victim = server.worker_pids(1)[0]
    for _ in range(3):
        os.kill(victim, signal.SIGKILL)
        victim = int(server.logged(r"worker 1\.\d ready \(process (\d+)\)").group(1))
    assert "ended 2 times in a row within 5 s of starting; respawning in 0.1 s" in server.log
    assert "ended 3 times in a row within 5 s of starting; respawning in 0.2 s" in server.log
    with connect(server.address) as sock:
        assert receive_line(sock)


@pytest.mark.complaint(15)
@pytest.mark.parametrize("app", ["plain:Echo", "web_asgi:app"])
def test_killed_master_frees_the_port(serve, app):
    server = serve(app, "--workers", "2").serving()
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    wait_gone(*server.worker_pids(1))
    with socket.create_server(server.address):
        pass


def test_killed_master_is_noticed_by_the_channels_alone(serve):
    """The worker forked last must not hold the others' channels open while it drains."""
    options = ["--factory", "--workers", "3"]
    server = serve("plain:make_echo_without_death_signal", *options).serving()
    last = max(server.worker_pids(1))
    with connection_to(server, last) as sock:
        server.end(signal.SIGKILL)
        wait_gone(*set(server.worker_pids(1)) - {last})
        sock.sendall(b"still there\n")
        assert receive_line(sock) == b"still there\n"
    wait_gone(last)


def test_killed_master_lets_workers_finish_what_they_do(serve):
    server = serve("plain:echo").serving()
    (pid,) = server.worker_pids(1)
    with connect(server.address) as sock:
        receive_line(sock)
        server.send(signal.SIGKILL)
        server.logged("the master is gone; draining")
        with listen_when_free(server.address):  # though the worker lives
            sock.sendall(b"still there\n")
            assert receive_line(sock) == b"still there\n"
    wait_gone(pid)


def listen_when_free(address):
    """Listen as soon as nobody else does; what an impatient operator would do."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return socket.create_server(address)
        except OSError:
            assert time.monotonic() < deadline


def test_killed_master_ends_a_worker_that_is_still_starting(serve):
    server = serve("web_asgi:start_forever", "--log-level", "debug")
    pid = int(server.logged(r"worker 1\.0 started, process (\d+)").group(1))
    server.end(signal.SIGKILL)
    wait_gone(pid)


@pytest.mark.parametrize("options", [[], ["--preload"]], ids=["", "preload"])
@pytest.mark.parametrize("hook", ["post_fork", "worker_init", "worker_exit"])
def test_killed_master_leaves_no_worker_in_a_hook_that_spins(serve, tmp_path, hook, options):
    (tmp_path / "spinning.py").write_text(
        "import os, sys\n"
        f"sys.path.append({str(APPS)!r})\n"
        f"def {hook}(slot):\n"
        "    print('spins in', os.getpid(), file=sys.stderr, flush=True)\n"
        "    while True:\n"
        "        pass\n"
    )
    (tmp_path / "echo.py").write_text("from plain import Echo\n")
    where = ["--hooks", "spinning", "--app-dir", str(tmp_path), "--graceful-timeout", "0.1"]
    server = serve("echo:Echo", *where, *options)
    if hook == "worker_exit":
        server.serving()
        os.kill(server.worker_pids(1)[0], signal.SIGTERM)
    pid = int(server.logged(r"spins in (\d+)")[1])
    server.end(signal.SIGKILL)
    try:
        wait_gone(pid)
    finally:
        kill_leftover(pid)


@pytest.mark.complaint(15)
def test_killed_master_leaves_no_worker_that_blocks(serve):
    server = serve("web_asgi:app", "--graceful-timeout", "0").serving()
    with connect(server.address) as sock:
        sock.sendall(b"GET /block HTTP/1.1\r\nHost: test\r\n\r\n")
        server.logged("worker blocks")
        server.end(signal.SIGKILL)
        wait_gone(*server.worker_pids(1))
