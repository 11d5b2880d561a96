"""A master starts its workers, serves on every kind of address, and ends when it is told to."""

import os
import resource
import signal
import socket
import stat
import struct
import sys
from pathlib import Path

import pytest

from ngxloop.serving.options.values import MAX_SECONDS
from ngxloop.serving.process.cpus import usable_cpus
from tests.serving.support import connect, end_with_a_connection, http_get, receive_line, wait_gone
from tests.support.sockets import needs_ipv6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signal_ends_master_and_workers_and_frees_the_port(serve, number):
    server = serve("web_asgi:app", "--workers", "2").serving()
    pids = server.worker_pids(1)
    assert len(pids) == 2
    assert server.end(number) == 0
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists()
    with socket.create_server(server.address):
        pass


def test_signals_blocked_by_whoever_started_the_master_arrive(serve):
    block = "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())"
    program = f"import os, signal, sys; {block}; os.execv(sys.argv[1], sys.argv[1:])"
    server = serve("web_asgi:app", wrapper=[sys.executable, "-c", program]).serving()
    assert server.end() == 0


def test_signal_while_workers_start_ends_them(serve):
    server = serve("web_asgi:start_forever", "--workers", "2", "--log-level", "debug")
    server.logged("worker 1.1 started")
    assert server.end() == 0


def test_signal_while_waiting_for_an_address_ends_the_master(serve):
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        server = serve("web_asgi:app", "--bind", address, "--log-level", "debug")
        server.logged(f"{address} is in use; trying again for 2 s")
        server.send(signal.SIGHUP)  # nothing to reload yet
        server.logged("in use, attempt 2 of 5")
        assert server.end(signal.SIGINT) == 0


def test_signal_to_the_process_group_does_not_disturb_the_drain(serve):
    """As Ctrl-C in a terminal does: the workers get it too, and only the master answers it."""
    server = serve("web_asgi:app", "--workers", "2").serving()
    with connect(server.address) as sock:
        sock.sendall(b"POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n")
        assert receive_line(sock) == b"HTTP/1.1 200 OK\r\n"
        for pid in [*server.worker_pids(1), server.pid]:
            os.kill(pid, signal.SIGINT)
        server.logged("ending: ")
        sock.sendall(b"x")
        assert b"ended\n" in read_all(sock)
    assert server.ended() == 0


@pytest.mark.parametrize("app", ["web_asgi:app", "web_aiohttp:app"])
def test_term_to_the_process_group_lets_requests_end(serve, app):
    """As service managers do: a worker gets the master's order, and a TERM of its own after it."""
    server = serve(app, "--log-level", "debug", wrapper=["setsid"]).serving()
    (pid,) = server.worker_pids(1)
    with connect(server.address) as sock:
        sock.sendall(b"POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n")
        assert receive_line(sock) == b"HTTP/1.1 200 OK\r\n"
        server.send(signal.SIGTERM)
        server.logged(r"worker 1\.0\[\d+\] draining")
        os.kill(pid, signal.SIGTERM)
        server.logged(r"worker 1\.0\[\d+\] received SIGTERM; draining")
        sock.sendall(b"x")
        assert b"ended\n" in read_all(sock)
    assert server.ended() == 0


def test_term_to_the_process_group_ends_all_of_it(serve):
    server = serve("web_asgi:app", "--workers", "2", wrapper=["setsid"]).serving()
    os.killpg(server.pid, signal.SIGTERM)
    assert server.ended() == 0


@pytest.mark.parametrize("attempt", range(3))  # the kernel lets the master or the workers run first
def test_term_to_the_process_group_replaces_nothing_that_ends_first(serve, attempt):
    options = ["--workers", "4", "--preload"]
    server = serve("plain:Echo", *options, wrapper=["setsid"]).serving()
    os.killpg(server.pid, signal.SIGTERM)
    assert server.ended() == 0
    assert "replaced" not in server.log
    assert "is gone" not in server.log


def test_longest_time_outs_are_waited_for(serve):
    longest = str(MAX_SECONDS)
    options = ["--start-timeout", longest, "--graceful-timeout", longest, "--idle-grace", longest]
    server = serve("plain:echo", "--log-level", "debug", *options).serving()
    end_with_a_connection(server)


def test_second_signal_ends_at_once(serve):
    server = serve("plain:hang", "--workers", "2").serving()
    with connect(server.address) as sock:
        receive_line(sock)
        server.send(signal.SIGTERM)
        server.logged("ending: ")
        server.end_now()
        server.logged("handler cancelled")
        assert sock.recv(1) == b""
    assert server.ended() == 0


def test_second_signal_kills_a_worker_that_blocks(serve):
    server = serve("web_asgi:app").serving()
    with connect(server.address) as sock:
        sock.sendall(b"GET /block HTTP/1.1\r\nHost: test\r\n\r\n")
        server.logged("worker blocks")
        server.send(signal.SIGINT)
        server.logged("ending: ")
        server.end_now(signal.SIGINT)
        server.logged("did not exit in time; killed")
    assert server.ended() == 0


def test_several_addresses_are_served_by_the_same_workers(serve, tmp_path):
    path = str(tmp_path / "app.sock")
    binds = ["--bind", "127.0.0.1:0", "--bind", "127.0.0.2:0", "--bind", f"unix:{path}"]
    server = serve("web_asgi:app", *binds).serving()
    first, second, third = server.addresses
    assert (first.split(":")[0], second.split(":")[0]) == ("127.0.0.1", "127.0.0.2")
    assert third == f"unix:{path}"
    for address in (server.address, ("127.0.0.2", int(second.split(":")[1])), path):
        assert http_get(address)[0] == 200


@needs_ipv6
def test_ipv6_address_is_served(serve):
    server = serve("web_asgi:app", "--bind", "[::1]:0").serving()
    assert server.addresses[0].startswith("[::1]:")
    assert http_get(server.address)[0] == 200


def test_host_name_is_served_on_the_addresses_it_has(serve):
    server = serve("web_asgi:app", "--bind", "localhost:0").serving()
    assert http_get(server.address)[0] == 200


def test_inherited_descriptor_is_served(serve):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        options = ["--bind", f"fd://{sock.fileno()}"]
        server = serve("web_asgi:app", *options, pass_fds=(sock.fileno(),)).serving()
        assert server.address == sock.getsockname()
        assert http_get(server.address)[0] == 200


@pytest.mark.parametrize("app", ["web_asgi:app", "web_aiohttp:app"])
def test_unix_socket_is_served_with_its_mode_and_removed_at_the_end(serve, tmp_path, app):
    path = tmp_path / "app.sock"
    server = serve(app, "--bind", f"unix:{path}", "--socket-mode", "640").serving()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert http_get(str(path))[0] == 200
    assert server.end() == 0
    assert not path.exists()


def test_unix_socket_of_a_dead_master_is_replaced(serve, tmp_path):
    path = tmp_path / "app.sock"
    first = serve("web_asgi:app", "--bind", f"unix:{path}").serving()
    first.end(signal.SIGKILL)
    wait_gone(*first.worker_pids(1))
    assert path.exists()
    serve("web_asgi:app", "--bind", f"unix:{path}").serving()
    assert http_get(str(path))[0] == 200


def test_port_0_is_the_same_for_every_worker(serve):
    options = ["--workers", "2", "--accept", "plain", "--bind", "127.0.0.1:0"]
    server = serve("web_asgi:app", *options).serving()
    assert len(server.addresses) == 1


@pytest.mark.parametrize("app", ["web_asgi:app", "web_aiohttp:app", "plain:Echo", "plain:echo"])
def test_backlog_is_the_one_asked_for_and_no_worker_changes_it(serve, app):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        options = ["--bind", f"fd://{sock.fileno()}", "--backlog", "77"]
        serve(app, *options, pass_fds=(sock.fileno(),)).serving()
        assert accept_queue_limit(sock) == 77


@pytest.mark.complaint(23)
def test_backlog_above_the_limit_of_the_system_is_clipped_and_said(serve):
    limit = int(Path("/proc/sys/net/core/somaxconn").read_text())
    server = serve("web_asgi:app", "--backlog", str(limit + 1)).serving()
    assert f"backlog {limit + 1} clipped to {limit} (net.core.somaxconn)" in server.log
    assert f", backlog {limit}\n" in server.log


@pytest.mark.parametrize("mode", ["fair", "mutex", "exclusive", "plain"])
def test_every_accept_mode_serves(serve, mode):
    server = serve("web_asgi:app", "--workers", "2", "--accept", mode).serving()
    for _ in range(20):
        assert http_get(server.address)[0] == 200
    assert server.end() == 0


@pytest.mark.complaint(18)
def test_workers_auto_are_as_many_as_the_cpus_we_may_use_and_it_is_said_why(serve):
    server = serve("plain:Echo", "--workers", "auto").serving()
    count, _ = usable_cpus()
    assert f"workers auto: {count} (" in server.log
    assert len(server.worker_pids(1)) == count


def test_workers_may_have_as_many_descriptors_as_the_hard_limit_allows(serve):
    server = serve("plain:Echo").serving()
    (pid,) = server.worker_pids(1)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    assert soft == hard


def accept_queue_limit(sock):
    """Return what the kernel took as backlog: tcpi_sacked, for a listening socket."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("8B 6I", info)[-1]


def read_all(sock):
    """Return everything up to the end of file."""
    received = b""
    while data := sock.recv(65536):
        received += data
    return received


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP])
def test_signal_before_the_master_has_begun_waits_for_it(serve, tmp_path, number):
    file = tmp_path / "config.toml"
    os.mkfifo(file)
    server = serve("plain:Echo", "--config", str(file))
    with open(file, "w") as config:  # opened: the program reads it now, in the middle of its start
        server.send(number)
        config.write("workers = 2\n")
    if number == signal.SIGHUP:
        server.logged("generation 2 serves, 1 drains")
        server.send(signal.SIGTERM)
    assert server.ended() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize(
    ("options", "step"), [((), 2), (("--coalesce-writes",), 1)], ids=["default", "coalescing"]
)
def test_worker_joins_the_writes_of_a_turn_on_demand(serve, options, step):
    server = serve("plain:segments", *options).serving()
    with connect(server.address) as sock:
        counts = []
        for _ in range(5):
            sock.sendall(b"\n")
            counts.append(int(receive_line(sock)))
    assert counts == [step * number for number in range(5)]
    assert server.end() == 0


@pytest.mark.parametrize(("seconds", "is_awake"), [("1000", True), ("0", False)])
def test_worker_sleeps_only_after_it_has_looked_for_events(serve, seconds, is_awake):
    server = serve("plain:sleeps", "--busy-poll", seconds).serving()
    with connect(server.address) as sock:
        counts = set()
        for _ in range(20):
            sock.sendall(b"\n")
            counts.add(receive_line(sock))
    assert (len(counts) == 1) == is_awake
    assert server.end() == 0
