"""Where connections come from and who takes them: modes, limits, systemd, many addresses."""

import collections
import contextlib
import os
import re
import select
import signal
import socket
import sys

import pytest

from tests.serving.support import (
    APPS,
    Server,
    connect,
    http_get,
    open_links,
    receive_line,
    wait_gone,
)
from tests.support.addresses import free_address
from tests.support.sockets import has_ipv6
from tests.support.waiting import wait_until_blocking

REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def homes(server, count):
    """Open so many connections one after the other; return how many each worker has."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(server.address)) for _ in range(count)]
        return collections.Counter(int(receive_line(sock)) for sock in sockets)


# Mode reuseport.


def test_in_mode_reuseport_every_worker_has_sockets_of_its_own(serve):
    server = serve("plain:Echo", "--workers", "3", "--accept", "reuseport").serving()
    assert len(server.addresses) == 1
    found = homes(server, 60)
    assert set(found) == set(server.worker_pids(1))
    hosts = {frozenset(socket_inodes(pid, server.address[1])) for pid in server.worker_pids(1)}
    assert len(hosts) == 3
    assert all(len(inodes) == 1 for inodes in hosts)


def socket_inodes(pid, port):
    """Return the inodes of the listening sockets that a process has at a port."""
    listening = set()
    with open("/proc/net/tcp", encoding="ascii") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                listening.add(f"socket:[{fields[9]}]")
    return listening.intersection(open_links(pid))


@pytest.mark.parametrize("change", ["reload", "kill"])
def test_in_mode_reuseport_what_waits_for_a_worker_gets_the_next_one(serve, change):
    server = serve("plain:echo", "--workers", "2", "--accept", "reuseport").serving()
    old = server.worker_pids(1)
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(server.address)) for _ in range(20)]
        if change == "reload":
            server.send(signal.SIGHUP)
        for pid in old:
            os.kill(pid, signal.SIGKILL if change == "kill" else signal.SIGCONT)
        for sock in sockets:
            assert int(receive_line(sock)) > 0


def test_in_mode_reuseport_a_program_serves_every_socket(serve, tmp_path):
    host, port = free_address()
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio\n"
        "import os\n"
        "async def echo(reader, writer):\n"
        "    writer.write(b'%d\\n' % os.getpid())\n"
        "    await reader.read()\n"
        "    writer.close()\n"
        "async def main():\n"
        f"    server = await asyncio.start_server(echo, '{host}', {port})\n"
        "    await server.serve_forever()\n"
        "asyncio.run(main())\n"
    )
    options = ["--workers", "3", "--accept", "reuseport", "--bind", f"{host}:{port}"]
    server = serve(*options, str(script), program=True).serving()
    assert len(server.worker_pids(1)) == 3
    assert set(homes(server, 60)) == set(server.worker_pids(1))


def test_reload_changes_between_reuseport_and_shared_sockets(serve, tmp_path):
    config = tmp_path / "ngxloop.toml"
    config.write_text('accept = "reuseport"\nworkers = 3\n')
    options = ("--config", str(config), "--bind", "127.0.0.1:0", "--app-dir", str(APPS))
    options += ("--log-level", "debug")
    server = serve("plain:echo", *options, program=True).serving()
    for number, text in enumerate(('accept = "fair"\nworkers = 2\n', config.read_text()), 2):
        config.write_text(text)
        server.send(signal.SIGHUP)
        server.logged(rf"reloaded: generation {number} serves")
        for _ in server.worker_pids(number - 1):
            server.logged(rf"worker {number - 1}\.\d \(process \d+\) exited with code 0")
        server.caught_up()  # the sockets of the old mode are closed after that
        assert set(homes(server, 40)) <= set(server.worker_pids(number))
    assert server.end() == 0


@pytest.mark.parametrize("preload", [[], ["--preload"]], ids=["fork", "preload"])
def test_in_mode_reuseport_scaling_leaves_no_socket_alone(serve, preload):
    options = ["--workers", "3", "--accept", "reuseport", *preload]
    server = serve("plain:echo", *options).serving()
    port = server.address[1]
    assert len(homes(server, 60)) == 3
    for count in (2, 1):
        server.send(signal.SIGTTOU)
        server.logged(f"scaling from {count + 1} to {count} workers")
    wait_gone(*map(int, re.findall(r"worker 1\.[12] ready \(process (\d+)\)", server.log)))
    wait_until_blocking(lambda: len(socket_inodes(server.pid, port)) == 1)
    assert len(homes(server, 60)) == 1
    for _ in range(2):
        server.send(signal.SIGTTIN)
        server.logged(r"worker 1\.\d ready")
    assert len(socket_inodes(server.pid, port)) == 3
    assert len(homes(server, 60)) == 3


def test_an_address_in_use_is_refused_in_mode_reuseport_too(serve):
    first = serve("plain:echo", "--workers", "2", "--accept", "reuseport").serving()
    where = first.addresses[0]
    second = serve("plain:echo", "--workers", "2", "--accept", "reuseport", "--bind", where)
    assert second.ended() == 9


# Limits.


def test_worker_connections_hold_the_rest_back_until_there_is_room(serve):
    server = serve("plain:echo", "--workers", "2", "--worker-connections", "3").serving()
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(connect(server.address)) for _ in range(6)]
        found = collections.Counter(receive_line(sock) for sock in sockets)
        assert sorted(found.values()) == [3, 3]
        waiting = stack.enter_context(connect(server.address))
        assert not select.select([waiting], [], [], 0.2)[0]  # nothing can come: all are full
        sockets[0].close()
        assert int(receive_line(waiting)) in server.worker_pids(1)


def test_more_connections_than_files_are_warned_of_once(serve):
    options = ("--workers", "2", "--rlimit-nofile", "512", "--worker-connections", "100000")
    server = serve("plain:echo", *options).serving()
    assert server.log.count("100000 worker-connections exceed the open file limit of 512") == 1


@pytest.mark.parametrize(
    "options",
    [
        ["web_asgi:app", "--interface", "asgi"],
        ["web_asgi:app", "--interface", "asgi-uvicorn"],
        ["web_aiohttp:app"],
        ["web_aiohttp:app", "--access-log", "-"],
    ],
)
def test_idle_keep_alive_connections_are_closed_for_new_ones(serve, options):
    server = serve(*options, "--workers", "1", "--worker-connections", "16").serving()
    with contextlib.ExitStack() as stack:
        for _ in range(64):  # every one stays open and idle: without room none would be answered
            sock = stack.enter_context(connect(server.address))
            sock.sendall(REQUEST)
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "options",
    [
        ["web_asgi:app", "--interface", "asgi"],
        ["web_asgi:app", "--interface", "asgi-uvicorn"],
        ["web_aiohttp:app"],
    ],
)
def test_connections_that_become_idle_in_a_full_worker_are_closed_for_new_ones(serve, options):
    server = serve(*options, "--workers", "1", "--worker-connections", "8").serving()
    with contextlib.ExitStack() as stack:
        busy = []
        for _ in range(8):
            busy.append(stack.enter_context(connect(server.address)))
            busy[-1].sendall(b"POST /slow HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\n")
            assert busy[-1].recv(65536).startswith(b"HTTP/1.1 200")
        waiting = stack.enter_context(connect(server.address))
        waiting.sendall(REQUEST)
        assert not select.select([waiting], [], [], 0.2)[0]  # nothing can come: it is full
        for sock in busy:
            sock.sendall(b"x")
        assert waiting.recv(65536).startswith(b"HTTP/1.1 200")


def test_connections_that_ask_nothing_are_closed_for_new_ones(serve):
    options = ["--interface", "asgi", "--workers", "1", "--worker-connections", "16"]
    server = serve("web_asgi:app", *options).serving()
    with contextlib.ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(connect(server.address))
        for _ in range(4):
            sock = stack.enter_context(connect(server.address))
            sock.sendall(REQUEST)
            assert sock.recv(65536).startswith(b"HTTP/1.1 200")


def test_multi_accept_lets_one_worker_take_what_waits(serve):
    options = ("--workers", "1", "--accept", "plain", "--multi-accept", "50", "--log-level")
    server = serve("plain:echo", *options, "debug").serving()
    assert sum(homes(server, 80).values()) == 80


def test_deferred_accept_waits_for_data(serve):
    server = serve("web_asgi:app", "--deferred-accept").serving()
    assert http_get(server.address)[0] == 200
    with contextlib.closing(socket.socket(fileno=fd_of_listener(server))) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) > 0


def fd_of_listener(server):
    """Return a copy of the master's listening socket."""
    inode = next(iter(socket_inodes(server.pid, server.address[1])))
    folder = f"/proc/{server.pid}/fd"
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if os.readlink(f"{folder}/{name}") == inode:
                return pidfd_getfd(server.pid, int(name))
    raise AssertionError("no such socket")


def pidfd_getfd(pid, number):
    import ctypes  # noqa: PLC0415 - for this one call

    pidfd = os.pidfd_open(pid)
    try:
        return ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, number, 0)
    finally:
        os.close(pidfd)


# systemd.


# What systemd does between fork and exec: descriptors from 3 on, and who is meant.
ACTIVATE = """
import os, sys
pid, names, *fds = sys.argv[1].split()
for place, fd in enumerate(fds):
    os.dup2(int(fd), 3 + place)
os.environ["LISTEN_PID"] = pid if int(pid) else str(os.getpid())
os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.fixture
def systemd():
    """Start ngxloop-serve as systemd would, with sockets from descriptor 3 on."""
    servers = []

    def start(sockets, names, *options, pid=0):
        fds = [sock.fileno() for sock in sockets]
        passed = " ".join(map(str, [pid, names, *fds]))
        arguments = ["plain:Echo", "--app-dir", str(APPS), "--workers", "2", *options]
        wrapper = [sys.executable, "-c", ACTIVATE, passed]
        servers.append(Server(arguments, wrapper=wrapper, pass_fds=fds))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def activated(tmp_path):
    """Listening sockets, TCP and Unix, with descriptors far above those they get."""
    with contextlib.ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))),
            stack.enter_context(socket.socket(socket.AF_UNIX)),
        ]
        sockets[1].bind(str(tmp_path / "activated.sock"))
        sockets[1].listen()
        yield sockets


@pytest.mark.complaint(21)
@pytest.mark.parametrize(
    ("bind", "used"),
    [("systemd:", [0, 1]), ("systemd:web", [0]), ("systemd:local", [1]), ("", [0, 1])],
)
def test_sockets_of_systemd_serve_by_number_and_by_name(systemd, activated, bind, used):
    options = ["--bind", bind] if bind else []
    server = systemd(activated, "web:local", *options).serving()
    for place in used:
        with connect(activated[place].getsockname()) as sock:
            assert int(receive_line(sock)) in server.worker_pids(1)
    assert len(server.addresses) == len(used)
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves")
    with connect(activated[used[0]].getsockname()) as sock:
        assert int(receive_line(sock)) > 0
    assert server.end() == 0


def test_sockets_of_systemd_serve_without_an_option_after_an_upgrade_too(systemd, activated):
    server = systemd(activated, "web:local", "--auto-upgrade").serving()
    server.send(signal.SIGUSR2)
    new = int(server.logged(r"new master started, process (\d+)").group(1))
    server.logged(rf"master\[{new}\] serving ")
    assert server.ended() == 0
    for sock in activated:
        with connect(sock.getsockname()) as client:
            assert int(receive_line(client)) > 0
    os.kill(new, signal.SIGTERM)
    wait_gone(new)


def test_sockets_of_systemd_for_another_process_are_left_alone(systemd, activated, monkeypatch):
    port = free_address()[1]
    monkeypatch.setenv("PORT", str(port))
    assert f" 0.0.0.0:{port}\n" in systemd(activated, "web:local", pid=1).serving().log


@pytest.mark.complaint(21)
@pytest.mark.parametrize(
    ("bind", "pid", "words"),
    [
        ("systemd:other", 0, "no socket of that name; there are web, local"),
        ("systemd:", 1, "the sockets are for process 1 (LISTEN_PID), not for this one"),
    ],
)
def test_sockets_that_systemd_did_not_pass_are_one_line(systemd, activated, bind, pid, words):
    server = systemd(activated, "web:local", "--bind", bind, pid=pid)
    assert server.ended() == 11
    assert words in server.log
    assert "Traceback" not in server.log


@pytest.mark.complaint(21)
def test_many_addresses_of_every_kind(serve, tmp_path):
    path = str(tmp_path / "app.sock")
    with socket.create_server(("127.0.0.1", 0)) as inherited:
        binds = ["127.0.0.1:0", f"unix:{path}", f"fd://{inherited.fileno()}"]
        binds += ["[::1]:0"] if has_ipv6() else []
        options = [word for bind in binds for word in ("--bind", bind)]
        server = serve("plain:Echo", *options, pass_fds=[inherited.fileno()]).serving()
        assert len(server.addresses) == len(binds)
        for where in server.addresses:
            host, _, port = where.rpartition(":")
            address = path if where.startswith("unix:") else (host.strip("[]"), int(port))
            with connect(address) as sock:
                assert int(receive_line(sock)) in server.worker_pids(1)
