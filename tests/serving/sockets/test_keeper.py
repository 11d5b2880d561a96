"""The keeper: its rights, its life, and what programs keep when it dies."""

import json
import os
import re
import resource
import select
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.serving.programs_support import PROGRAMS, is_refused
from tests.serving.support import (
    DEADLINE,
    connect,
    http_get,
    open_links,
    receive_line,
    wait_gone,
)
from tests.support.addresses import free_address
from tests.support.waiting import wait_until_blocking

SEVERAL = str(PROGRAMS / "several.py")
UDP_ECHO = str(PROGRAMS / "udp_echo.py")
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def several(serve):
    """Start several.py with the servers in its argument, and the status."""

    def start(*servers, workers=1, options=()):
        options = ("--status-bind", "127.0.0.1:0", "--log-level", "debug", *options)
        text = json.dumps(servers)
        return serve("-w", str(workers), *options, SEVERAL, text, program=True).serving()

    return start


def children(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def keeper_of(server):
    """Return the process id of the newest keeper."""
    return int(re.findall(r"keeper started, process (\d+)", server.read_log())[-1])


def another_keeper(server):
    return int(server.logged(r"keeper started, process (\d+)")[1])


def status_of(server):
    host, _, port = server.status_address.rpartition(":")
    return json.loads(http_get((host, int(port)), "/status.json")[1])


def ask(address):
    with connect(address) as sock:
        return json.loads(receive_line(sock))


def command(address, text):
    with connect(address) as sock:
        receive_line(sock)
        sock.sendall(text.encode() + b"\n")
        return receive_line(sock)


def inodes(pid):
    """Return the inodes of the sockets that a process has."""
    return {int(link[8:-1]) for link in open_links(pid) if link.startswith("socket:[")}


def listening_inode(address):
    """Return the inode of the socket that listens at an address of IPv4."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == address[1]:
            return int(fields[9])
    raise LookupError(address)


@as_root
def test_keeper_has_the_rights_of_the_user_and_no_way_back(serve):
    options = ("--workers", "1", "--user", "nobody", "--log-level", "debug")
    server = serve("hostile:main", *options, bind=None).serving()
    fields = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{keeper_of(server)}/status").read_text().splitlines()
        if ":\t" in line
    )
    assert fields["Uid"].split() == 4 * [str(NOBODY)]
    assert fields["Gid"].split() == 4 * [str(NOBODY)]
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    assert fields["Threads"] == "1"
    assert os.stat(f"/proc/{keeper_of(server)}/mem").st_uid == 0  # not dumpable: root's


def test_keeper_has_what_programs_bind_and_the_master_has_not(several):
    server = several(["tcp", {"host": "127.0.0.1", "port": 0}])
    inode = listening_inode(server.address)
    assert inode in inodes(keeper_of(server))
    assert inode not in inodes(server.pid)


def test_keeper_has_nothing_of_the_masters(several, tmp_path):
    options = ("--bind", "127.0.0.1:0", "--control-socket", str(tmp_path / "control"))
    server = several(["tcp", {"host": "127.0.0.1", "port": 0}], options=options)
    host, _, port = server.status_address.rpartition(":")
    for address in (server.address, (host, int(port))):
        assert listening_inode(address) not in inodes(keeper_of(server))
    assert not inodes(server.pid) & inodes(keeper_of(server))


def test_no_keeper_is_started_for_an_application_with_bind(serve):
    server = serve("plain:Echo", "--workers", "2", "--log-level", "debug").serving()
    os.kill(server.worker_pids(1)[0], signal.SIGKILL)
    server.logged(r"worker 1\.\d ready")
    server.send(signal.SIGHUP)
    server.logged("reloaded")
    assert server.end() == 0
    assert "keeper started" not in server.log


def test_application_without_bind_has_a_keeper_for_its_address(serve, monkeypatch):
    monkeypatch.setenv("PORT", str(free_address()[1]))
    options = ("--workers", "1", "--log-level", "debug")
    server = serve("plain:Echo", *options, bind=None).serving()
    assert keeper_of(server) in children(server.pid)
    assert server.end() == 0


def test_keeper_starts_when_a_program_binds_another_address_than_those_of_bind(serve):
    server = serve("hostile:main", "--workers", "2", "--log-level", "debug")
    server.logged(r"worker 1\.\d ready")
    server.logged(r"worker 1\.\d ready")
    keeper = keeper_of(server)
    wait_until_blocking(lambda: len(inodes(keeper)) > 1, "the socket of the program")
    assert server.read_log().count("keeper started") == 1
    assert server.end() == 0


def test_status_shows_the_sockets_of_programs_and_their_queues(several):
    server = several(["tcp", {"host": "127.0.0.1", "port": 0, "backlog": 100}])
    address = f"{server.address[0]}:{server.address[1]}"

    def found():
        return [one for one in status_of(server)["listeners"] if one["address"] == address]

    wait_until_blocking(lambda: any(one["limit"] for one in found()), "a report of the keeper")
    (one,) = found()
    assert one["queue"] == 0


@pytest.mark.parametrize("mode", ["fair", "mutex"])
def test_connection_that_a_stopped_worker_does_not_take_is_taken_by_another(several, mode):
    options = ("--accept", mode, "--hang-timeout", "0")
    server = several(["tcp", {"host": "127.0.0.1", "port": 0}], workers=2, options=options)
    for pid in server.worker_pids(1):
        os.kill(pid, signal.SIGSTOP)
        for _ in range(3):
            assert ask(server.address)["pid"] != pid
        os.kill(pid, signal.SIGCONT)
    assert server.end() == 0


def test_keeper_that_was_killed_is_replaced_and_gets_what_the_workers_have(several, tmp_path):
    path = str(tmp_path / "a.sock")
    server = several(["tcp", {"host": "127.0.0.1", "port": 0}], ["unix", {"path": path}], workers=2)
    server.forget_log()
    before = listening_inode(server.address)
    os.kill(keeper_of(server), signal.SIGKILL)
    new = another_keeper(server)
    wait_until_blocking(lambda: before in inodes(new), "the socket in the new keeper")
    for pid in server.worker_pids(1):
        os.kill(pid, signal.SIGKILL)
        server.logged(r"worker 1\.\d ready")
    assert listening_inode(server.address) == before
    assert ask(server.address)["pid"] not in server.worker_pids(1)[:2]
    assert server.end() == 0
    assert not os.path.exists(path)


def test_socket_that_no_worker_has_any_more_is_lost_with_its_keeper(several):
    first, second = free_address(), free_address()
    server = several(*(["tcp", {"host": one[0], "port": one[1]}] for one in (first, second)))
    assert command(first, "close 1") == b"done\n"
    server.logged(f"closed {second[0]}:{second[1]}")
    server.forget_log()
    os.kill(keeper_of(server), signal.SIGKILL)
    another_keeper(server)
    assert is_refused(second)
    again = json.dumps(["tcp", {"host": second[0], "port": second[1]}]).replace(" ", "")
    assert command(first, f"open {again}") == b"done\n"
    assert ask(second)["count"] == 2


def test_keeper_that_does_not_go_on_delays_no_master_and_is_replaced(several):
    server = several(["tcp", {"host": "127.0.0.1", "port": 0}])
    old = keeper_of(server)
    server.forget_log()
    os.kill(old, signal.SIGSTOP)
    for _ in range(20):
        assert status_of(server)["ready"]
    again = json.dumps(["tcp", {"host": "127.0.0.1", "port": 0}]).replace(" ", "")
    began = time.monotonic()
    with connect(server.address) as sock:
        receive_line(sock)
        sock.sendall(f"open {again}\n".encode())
        # The next keeper has done it; or the time was over before, and the program got an error.
        assert receive_line(sock) in (b"done\n", b"")
    assert time.monotonic() - began < DEADLINE
    server.logged("the keeper of the sockets .* does not answer; replaced")
    assert another_keeper(server) != old
    wait_gone(old)
    assert command(server.address, f"open {again}") == b"done\n"
    assert server.end() == 0


def test_keeper_whose_limits_were_lowered_is_replaced(several):
    server = several(["tcp", {"host": "127.0.0.1", "port": 0}])
    before = listening_inode(server.address)
    server.forget_log()
    resource.prlimit(keeper_of(server), resource.RLIMIT_NOFILE, (3, 64))
    server.logged("another process has changed the limits of the keeper; it exits")
    new = another_keeper(server)
    wait_until_blocking(lambda: before in inodes(new), "the socket in the new keeper")
    again = json.dumps(["tcp", {"host": "127.0.0.1", "port": 0}]).replace(" ", "")
    assert command(server.address, f"open {again}") == b"done\n"
    assert server.end() == 0


def test_keeper_ignores_what_is_sent_to_the_whole_group(several):
    server = several(["tcp", {"host": "127.0.0.1", "port": 0}])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR2):
        os.kill(keeper_of(server), number)
    again = json.dumps(["tcp", {"host": "127.0.0.1", "port": 0}]).replace(" ", "")
    assert command(server.address, f"open {again}") == b"done\n"
    assert "is gone" not in server.read_log()


@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "stopped"])
def test_keeper_ends_with_a_master_that_was_killed(several, is_stopped):
    server = several(["tcp", {"host": "127.0.0.1", "port": 0}])
    pid = keeper_of(server)
    if is_stopped:
        os.kill(pid, signal.SIGSTOP)
    server.send(signal.SIGKILL)
    wait_gone(pid)


def test_keeper_that_is_stopped_does_not_keep_the_master_from_ending(several):
    server = several(["tcp", {"host": "127.0.0.1", "port": 0}])
    os.kill(keeper_of(server), signal.SIGSTOP)
    assert server.end() == 0
    wait_gone(keeper_of(server))


@as_root
def test_reload_with_another_user_has_another_keeper(serve, tmp_path):
    file = tmp_path / "ngxloop.toml"
    file.write_text('user = "nobody"\n')
    options = ("--config", str(file), "--log-level", "debug", "--workers", "1")
    server = serve("hostile:main", *options, bind=None).serving()
    first = keeper_of(server)
    file.write_text('user = "54321"\n')
    server.forget_log()
    server.send(signal.SIGHUP)
    second = another_keeper(server)
    server.logged("reloaded: generation 2 serves")
    assert os.stat(f"/proc/{second}").st_uid in (0, 54321)
    assert f"Uid:\t{54321}" in Path(f"/proc/{second}/status").read_text()
    wait_gone(first)
    assert server.end() == 0


def is_asleep(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_worker_that_dies_while_it_asks_leaves_nothing(serve):
    server = serve("hostile:main", "--workers", "1", "--log-level", "debug", bind=None).serving()
    pid = keeper_of(server)
    # It answers a request before it closes the descriptors that came with it.
    wait_until_blocking(lambda: is_asleep(pid), "the keeper to have nothing to do")
    before = len(os.listdir(f"/proc/{pid}/fd"))
    payload = json.dumps([2, 1, ["127.0.0.1", 0], 77])
    for _ in range(3):
        with connect(server.address) as sock:
            request = {"do": "ask_and_die", "payload": payload}
            sock.sendall(json.dumps(request).encode() + b"\n")
            assert receive_line(sock) == b""
        server.logged(r"worker 1\.0 ready")
    # The address that was asked for stays open for the next worker, and nothing else.
    wait_until_blocking(lambda: len(os.listdir(f"/proc/{pid}/fd")) == before + 1, "one more")
    assert server.end() == 0


def test_process_that_inherits_the_line_of_a_dead_worker_holds_nothing_open(serve, tmp_path):
    script, children = tmp_path / "server.py", tmp_path / "children"
    children.touch()
    script.write_text(
        "import asyncio, os, signal, time\n"
        "async def main():\n"
        "    await asyncio.start_server(print, '127.0.0.1', 0)\n"
        "    if os.fork() == 0:\n"
        "        signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "        os.write(os.open('children', os.O_WRONLY | os.O_APPEND), b'%d\\n' % os.getpid())\n"
        "        time.sleep(600)\n"
        "        os._exit(0)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    options = ("--chdir", str(tmp_path), "--log-level", "debug")
    server = serve(*options, str(script), program=True).serving()
    wait_until_blocking(children.read_text, "the fork")
    (pid,) = server.worker_pids(1)
    try:
        os.kill(pid, signal.SIGKILL)
        server.logged(r"worker 1\.0 ready")
        address = server.address
        assert not is_refused(address)
        assert server.end() == 0
    finally:
        for child in children.read_text().split():  # the next worker has forked, too
            os.kill(int(child), signal.SIGKILL)


def test_datagram_socket_stays_over_the_death_of_a_keeper(serve):
    host, port = free_address(socket.SOCK_DGRAM)
    options = ("--share-datagrams", "--log-level", "debug")
    server = serve(*options, UDP_ECHO, host, str(port), program=True).serving()
    server.forget_log()
    os.kill(keeper_of(server), signal.SIGKILL)
    new = another_keeper(server)
    (worker,) = server.worker_pids(1)
    wait_until_blocking(lambda: inodes(new) & inodes(worker), "the socket in the new keeper")
    os.kill(worker, signal.SIGKILL)
    server.logged(r"worker 1\.0 ready")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((host, port))
        client.send(b"hello")
        poll = select.poll()
        poll.register(client, select.POLLIN)
        assert poll.poll(DEADLINE * 1000)
        assert client.recv(100) == b"hello"
