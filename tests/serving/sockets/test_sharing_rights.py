"""What a worker of another user cannot get from root's master, and what its programs still get."""

import contextlib
import errno
import json
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from ngxloop.serving.process.message import MessageKind
from tests.serving.support import (
    can_refuse_descriptors,
    connect,
    http_get,
    receive_line,
    wait_gone,
)
from tests.support.addresses import free_address, free_bind
from tests.support.waiting import wait_until_blocking

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

NOBODY = 65534
UNIX = (socket.AF_UNIX, socket.SOCK_STREAM, 0)
BOUND = "b"
REPLACED = r"worker 1\.0 \(process \d+\) (is replaced|.*malformed|.*sent)"


def failed(number):
    return f"f{number}"


@pytest.fixture
def program(serve):
    """Start hostile.py as a program of nobody."""

    def start(*options, **process):
        options = ("--workers", "1", "--user", "nobody", *options)
        return serve("hostile:main", *options, bind=None, **process).serving()

    return start


@pytest.fixture
def application(serve):
    """Start hostile.py as an application of nobody."""

    def start(*options):
        options = ("--workers", "1", "--user", "nobody", *options)
        return serve("hostile:Hostile", *options).serving()

    return start


def order(server, **request):
    """Let a worker do something; return the outcome, None if it ended instead."""
    with connect(server.address) as sock:
        sock.sendall(json.dumps(request).encode() + b"\n")
        line = receive_line(sock)
    return json.loads(line)["outcome"] if line else None


def ask(server, family, kind, address, ordinal=None, sock_kind=None):
    payload = json.dumps([family, kind, address, ordinal])
    return order(server, do="ask", payload=payload, kind=sock_kind or (family, kind, 0))


def ask_path(server, path):
    return ask(server, *UNIX[:2], str(path), sock_kind=UNIX)


def dead_socket(path, uid=0):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
    os.chown(path, uid, uid)
    return path.stat().st_ino


def answers(server):
    with contextlib.suppress(ConnectionError):  # of a worker that is being replaced
        return order(server, do="flood", payloads=[]) == {}
    return False


def serves_again(server):
    """Wait for the worker that replaces the hostile one, and talk to it."""
    server.logged(r"worker 1\.0 ready")
    assert order(server, do="flood", payloads=[]) == {}


@pytest.mark.parametrize("protocol", [6, 9, 12], ids=["xfrm", "audit", "netfilter"])
def test_netlink_groups_are_not_joined_for_a_worker(program, protocol):
    server = program()
    kind = (int(socket.AF_NETLINK), int(socket.SOCK_RAW))
    assert ask(server, *kind, [0, 1], sock_kind=(*kind, protocol)) != BOUND
    server.logged(REPLACED)
    serves_again(server)


def test_a_socket_of_another_kind_than_the_request_says_is_refused(program):
    server = program()
    kind = (socket.AF_NETLINK, socket.SOCK_RAW, 9)
    assert ask(server, 2, 1, ["127.0.0.1", 0], 0, sock_kind=kind) != BOUND
    server.logged(REPLACED)
    serves_again(server)


@pytest.mark.parametrize(
    ("family", "host"), [(2, ["127.0.0.1"]), (10, ["::1"])], ids=["IPv4", "IPv6"]
)
@pytest.mark.parametrize("kind", [1, 2], ids=["stream", "datagram"])
def test_a_port_that_the_user_may_not_bind_is_not_bound(program, family, host, kind):
    first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first == 0:
        pytest.skip("every user may bind every port")
    server = program("--share-datagrams")
    rest = [0, 0] if family == 10 else []
    assert ask(server, family, kind, [*host, first - 1, *rest]) == failed(errno.EACCES)


@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["closed", "readable"])
def test_a_folder_that_is_not_the_users_gets_no_socket_file(program, ours, mode):
    place = ours / "roots"
    place.mkdir()
    place.chmod(mode)
    assert ask_path(program(), place / "a.sock") == failed(errno.EACCES)
    assert not list(place.iterdir())


def test_a_file_in_the_way_stays_and_the_address_is_in_use(program, theirs):
    text, link = theirs / "text", theirs / "link"
    text.write_text("precious")
    inode = dead_socket(theirs / "dead.sock")
    link.symlink_to(theirs / "dead.sock")
    server = program()
    for path in (text, link):
        assert ask_path(server, path) == failed(errno.EADDRINUSE)
    assert text.read_text() == "precious"
    assert link.is_symlink()
    assert (theirs / "dead.sock").stat().st_ino == inode


def test_a_dead_socket_of_another_user_is_not_removed(program, ours):
    public = ours / "public"
    public.mkdir()
    public.chmod(0o1777)
    inode = dead_socket(public / "dead.sock")
    (public / "dead.sock").chmod(0o666)
    assert ask_path(program(), public / "dead.sock") == failed(errno.EADDRINUSE)
    assert (public / "dead.sock").stat().st_ino == inode


def test_a_socket_that_does_not_listen_yet_is_not_removed(program, theirs):
    path = theirs / "bound.sock"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        path.chmod(0o666)
        inode = path.stat().st_ino
        assert ask_path(program(), path) == failed(errno.EADDRINUSE)
        assert path.stat().st_ino == inode


def test_the_file_of_a_program_is_its_users_and_is_removed_at_the_end(program, theirs):
    path = theirs / "a.sock"
    dead_socket(path, NOBODY)
    server = program()
    assert order(server, do="bind", path=str(path)) == 0
    found = path.stat()
    assert (found.st_uid, found.st_gid) == (NOBODY, NOBODY)
    assert stat.S_ISSOCK(found.st_mode)
    assert server.end() == 0
    assert not path.exists()


def test_a_folder_that_was_exchanged_for_a_link_loses_no_file(program, ours, theirs):
    server = program()
    path = theirs / "own" / "a.sock"
    path.parent.mkdir()
    os.chown(path.parent, NOBODY, NOBODY)
    assert order(server, do="bind", path=str(path)) == 0
    roots = ours / "roots"
    roots.mkdir()
    os.link(path, roots / "a.sock")
    path.unlink()
    path.parent.rmdir()
    path.parent.symlink_to(roots)
    assert server.end() == 0
    assert (roots / "a.sock").exists()


def test_an_application_has_nothing_to_ask_for(application):
    server = application()
    assert ask(server, 2, 1, ["127.0.0.1", 0], 0) != BOUND
    if not can_refuse_descriptors():  # else the kernel has refused to send the request
        server.logged(REPLACED)
    wait_until_blocking(lambda: answers(server), "an answer")


def test_an_application_has_nothing_to_release(application):
    server = application()
    order(server, do="send", kind=MessageKind.RELEASE, payload='[2, 1, ["127.0.0.1", 0], 0]')
    server.logged(REPLACED)
    serves_again(server)


@pytest.mark.parametrize(
    "payload", ["", "nonsense", "[" * 1000, "[1]", "[2, 1, [[]], 0]", '{"a": 1}'], ids=len
)
@pytest.mark.parametrize("kind", [MessageKind.BIND, MessageKind.RELEASE], ids=["bind", "release"])
def test_garbage_replaces_the_worker_alone(program, kind, payload):
    server = program()
    order(server, do="send", kind=kind, payload=payload)
    server.logged(REPLACED)
    serves_again(server)


def test_ten_thousand_binds_leave_the_keeper_half_of_its_descriptors_and_the_master_all(program):
    server = program(wrapper=["sh", "-c", 'ulimit -n 256; exec "$@"', "sh"])
    before = len(os.listdir(f"/proc/{server.pid}/fd"))
    answers = order(server, do="flood_ports", count=10_000)
    assert answers == {BOUND: 256 // 2 - 1, failed(errno.EMFILE): 10_000 - 256 // 2 + 1}
    server.caught_up()
    assert len(os.listdir(f"/proc/{server.pid}/fd")) <= before
    assert server.end() == 0


def test_a_program_that_a_zygote_has_forked_binds_as_well(program, theirs):
    server = program("--preload")
    path = theirs / "a.sock"
    assert order(server, do="bind", path=str(path)) == 0
    assert path.stat().st_uid == NOBODY


def test_a_new_master_goes_on_with_what_the_user_has_bound(program, theirs):
    server = program()
    path = theirs / "a.sock"
    assert order(server, do="bind", path=str(path)) == 0
    inode = path.stat().st_ino
    server.send(signal.SIGUSR2)
    new = int(server.logged(r"the new master \(process (\d+)\) serves")[1])
    assert server.end(signal.SIGQUIT) == 0
    assert path.stat().st_ino == inode
    assert order(server, do="bind", path=str(path)) == 0
    os.kill(new, signal.SIGTERM)
    wait_gone(new)
    assert not path.exists()


def test_worker_that_binds_again_and_again_does_not_flood_the_log(program):
    server = program()
    assert order(server, do="bind_and_release", count=150) == {BOUND: 150}
    server.logged(r"worker 1\.0 binds many addresses: further ones are not logged")
    assert server.end() == 0
    assert server.log.count("listening on") <= 101


def test_workers_that_leave_as_soon_as_they_serve_are_replaced_later_each_time(application):
    server = application()
    for _ in range(6):
        assert order(server, do="leave") is None
    for count in (2, 3):
        server.logged(rf"worker 1\.0 ended {count} times in a row within 5 s of starting")
    assert server.end() == 0


def test_listener_that_a_worker_has_shut_down_listens_again(application):
    server = application("--workers", "2")
    assert order(server, do="shut_listeners") == 1
    server.logged(r"[0-9.]+:\d+: a worker has shut the listener down; reloading")
    server.logged("reloaded: generation 2 serves")
    assert order(server, do="flood", payloads=[]) == {}
    assert server.end() == 0


def test_abstract_listener_that_was_shut_down_listens_again_after_another_reload(application):
    name = f"ngxloop-test-{os.getpid()}"
    server = application(
        *("--workers", "2", "--log-level", "debug"),
        *("--bind", free_bind(), "--bind", f"unix:@{name}"),
    )
    assert is_connected(name)
    assert order(server, do="shut_listeners") == 2
    server.logged(rf"unix:@{name} was shut down, and its name is not free yet: left out")
    server.logged("reloaded: generation 2 serves")
    for _ in range(2):
        server.logged(r"worker 1\.\d .*exited with code 0")
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 3 serves")
    assert is_connected(name)
    assert order(server, do="flood", payloads=[]) == {}
    assert server.end() == 0


def is_connected(name):
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(f"\0{name}") == 0


SHUTS_DOWN_FOR_ALL = """
import asyncio, os, socket, sys

async def handle(reader, writer):
    writer.write(b"here\\n")
    if await reader.readline() == b"shut down\\n":
        for sock in server.sockets:
            socket.socket(fileno=os.dup(sock.fileno())).shutdown(socket.SHUT_RDWR)
    writer.close()

async def main():
    global server
    server = await asyncio.start_server(handle, sys.argv[1], int(sys.argv[2]))
    await server.serve_forever()

asyncio.run(main())
"""


def test_tcp_listener_of_a_program_that_a_worker_has_shut_down_is_bound_anew(serve, tmp_path):
    script = tmp_path / "server.py"
    script.write_text(SHUTS_DOWN_FOR_ALL)
    host, port = free_address()
    program = (str(script), host, str(port))
    options = ("--workers", "2", "--status-bind", free_bind())
    server = serve(*options, *program, program=True).serving()
    status_host, _, status_port = server.status_address.rpartition(":")

    def is_known():
        text = http_get((status_host, int(status_port)), "/status.json")[1]
        return any(one["limit"] for one in json.loads(text)["listeners"])

    wait_until_blocking(is_known, "a report of the keeper that the socket listens")
    with connect((host, port)) as sock:
        sock.sendall(b"shut down\n")
        assert receive_line(sock) == b"here\n"
    server.logged(rf"{host}:{port}: a worker has shut the listener down; reloading")
    server.logged("reloaded: generation 2 serves")
    with connect((host, port)) as sock:
        assert receive_line(sock) == b"here\n"
    assert server.end() == 0


SHUTS_DOWN = """
import asyncio, os, socket, sys

async def handle(reader, writer):
    for sock in server.sockets:
        socket.socket(fileno=os.dup(sock.fileno())).shutdown(socket.SHUT_RDWR)
    os._exit(3)

async def main():
    global server
    server = await asyncio.start_unix_server(handle, sys.argv[1])
    await server.serve_forever()

asyncio.run(main())
"""


def test_unix_socket_of_a_program_that_was_shut_down_is_bound_anew(serve, tmp_path):
    script, path = tmp_path / "server.py", str(tmp_path / "a.sock")
    script.write_text(SHUTS_DOWN)
    server = serve("--workers", "1", str(script), path, program=True).serving()
    for _ in range(2):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(path)
            assert sock.recv(1) == b""
        server.logged(r"worker 1\.0 .*exited with code 3")
        server.logged(r"worker 1\.0 ready")
    assert server.end() == 0
    assert not os.path.exists(path)


@pytest.mark.parametrize("mode", ["fair", "mutex", "exclusive", "plain"])
def test_garbage_over_the_scoreboard_holds_no_connection_up_until_a_reload(application, mode):
    server = application("--workers", "3", "--accept", mode)
    assert order(server, do="scribble") is None
    server.logged("the scoreboard was repaired")
    for _ in range(20):
        assert order(server, do="flood", payloads=[]) == {}
    assert server.end() == 0
    assert "generation 2" not in server.log


@pytest.mark.parametrize("count", ["1", "2"])
def test_wakeup_fds_that_a_worker_has_filled_hold_no_master_up(application, count):
    server = application("--workers", count)
    assert order(server, do="fill_wakeup_fds") is None
    server.logged(r"worker 1\.\d .*exited with code 3")
    server.logged(r"worker 1\.\d ready")
    assert order(server, do="fill_wakeup_fds") is None  # a worker that is left, or the new one
    server.logged(r"worker 1\.\d .*exited with code 3")
    server.logged(r"worker 1\.\d ready")
    assert server.end() == 0
