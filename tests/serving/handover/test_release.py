"""Upgrades from the release before this one, which had no keeper, and back to it.

The tests with that release itself need a build of it: NGXLOOP_OLD_RELEASE names the folder. The
others use what that release hands on, as it was recorded.
"""

import array
import inspect
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ngxloop.serving.handover import compatibility
from ngxloop.serving.process.message import MessageKind
from ngxloop.serving.sockets.inherited import FORMAT, KEEPER, VARIABLE
from tests.serving.programs_support import PROGRAMS
from tests.serving.support import DEADLINE, connect, receive_line, wait_gone
from tests.serving.untrusted import ROOT
from tests.support.addresses import free_address

OLD = os.environ.get("NGXLOOP_OLD_RELEASE", "")
SEVERAL = str(PROGRAMS / "several.py")


def ask(address):
    with connect(address) as sock:
        return json.loads(receive_line(sock))


def listening_inode(address):
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == address[1]:
            return int(fields[9])
    raise LookupError(address)


# What was recorded -----------------------------------------------------------------------------


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


def recorded(ready_fd, sockets):
    """Return the variable as release b539355 has written it."""
    fields = {
        "pid": os.getpid(),
        "ready_fd": ready_fd,
        "ready_inode": os.fstat(ready_fd).st_ino,
        "sockets": sockets,
    }
    return f"{VARIABLE}={json.dumps(fields)}"


def test_sockets_of_a_master_without_a_keeper_are_taken_over(serve, tmp_path, pipe):
    address, path = free_address(), str(tmp_path / "a.sock")
    with socket.create_server(address) as tcp, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        inodes = os.fstat(tcp.fileno()).st_ino, os.stat(path).st_ino
        sockets = [
            ["shared", json.dumps([2, 1, list(address), None]), tcp.fileno()],
            ["shared", json.dumps([1, 1, path, None]), unix.fileno()],
        ]
        specification = [
            ["tcp", {"host": address[0], "port": address[1]}],
            ["unix", {"path": path}],
        ]
        server = serve(
            SEVERAL,
            json.dumps(specification),
            program=True,
            pass_fds=[pipe[1], tcp.fileno(), unix.fileno()],
            wrapper=["env", recorded(pipe[1], sockets)],
        ).serving()
    assert (listening_inode(address), os.stat(path).st_ino) == inodes
    assert os.read(pipe[0], 10) == b"1"
    assert ask(address)["count"] == ask(path)["count"] == 2
    assert not re.search(r"listening on \S+, for", server.log)  # nothing was bound anew
    assert server.end() == 0
    assert os.path.exists(path)  # the master before goes on with it


def test_socket_that_the_new_program_does_not_know_is_left_out(serve, pipe):
    with socket.create_server(free_address()) as tcp:
        sockets = [["shared", json.dumps(["?"]), tcp.fileno()]]
        server = serve(
            *("web_asgi:app", "--workers", "1"),
            pass_fds=[pipe[1], tcp.fileno()],
            wrapper=["env", recorded(pipe[1], sockets)],
        ).serving()
    assert "is not taken over: a malformed request to bind" in server.log
    assert server.end() == 0


# What an older release understands -----------------------------------------------------------

SHOW = (
    "import json, os\n"
    f"fields = json.loads(os.environ[{VARIABLE!r}])\n"
    "print(json.dumps([[one[0], one[1], os.fstat(one[2]).st_ino] for one in fields['sockets']]))\n"
)


def carry(tmp_path, inheritance, messages, *fds):
    """Execute the compatibility before a program that shows what it inherits; return that."""
    package = tmp_path / "ngxloop"
    (package / "serving").mkdir(parents=True)
    for folder in (package, package / "serving"):
        (folder / "__init__.py").touch()
    (package / "serving" / "inheritance.py").write_text(inheritance)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        for message in messages:
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            ours.sendmsg([message], rights if message[0] == MessageKind.KEEP else [])
        fields = {"sockets": [["leader", "", 0], [KEEPER, "", theirs.fileno()]], "format": FORMAT}
        line = [sys.executable, "-c", inspect.getsource(compatibility), "-c", SHOW]
        environment = {**os.environ, VARIABLE: json.dumps(fields), "PYTHONPATH": str(tmp_path)}
        found = subprocess.run(
            line,
            env=environment,
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
            timeout=DEADLINE,
            check=True,
            cwd=tmp_path,
        )
        return json.loads(found.stdout), os.fstat(theirs.fileno()).st_ino


def test_release_without_a_keeper_gets_the_sockets_themselves(tmp_path):
    key = json.dumps([2, 1, ["127.0.0.1", 8000], None])
    with socket.socket() as sock:
        messages = [bytes([MessageKind.KEEP]) + key.encode(), bytes([MessageKind.END])]
        found, _ = carry(tmp_path, "", messages, sock.fileno())
        assert found[1:] == [["shared", key, os.fstat(sock.fileno()).st_ino]]
    assert found[0][0] == "leader"


@pytest.mark.parametrize("text", [f"FORMAT = {FORMAT}", "1 / 0"], ids=["newer", "broken"])
def test_release_with_a_keeper_or_that_is_broken_gets_the_line(tmp_path, text):
    found, inode = carry(tmp_path, text, [])
    assert found[1:] == [[KEEPER, "", inode]]


def test_carrier_speaks_the_language_of_the_keeper():
    assert (compatibility.KEEP, compatibility.END) == (MessageKind.KEEP, MessageKind.END) == (8, 76)
    assert compatibility.VARIABLE == VARIABLE


# The release itself ----------------------------------------------------------------------------


@pytest.fixture
def link(tmp_path):
    """Return a folder that is one release or the other, and what makes it so."""
    if not OLD:
        pytest.skip("NGXLOOP_OLD_RELEASE names no build of the release before; see .ci/nightly")
    path = tmp_path / "current"

    def point(folder):
        path.unlink(missing_ok=True)
        path.symlink_to(folder)

    point(OLD)
    return path, point


def upgrade(server, pid):
    os.kill(pid, signal.SIGUSR2)
    return int(server.logged(r"the new master \(process (\d+)\) serves")[1])


def quit_and_wait(pid):
    os.kill(pid, signal.SIGQUIT)
    wait_gone(pid)


@pytest.mark.timeout(300)
def test_program_keeps_its_sockets_from_the_old_release_to_this_one_and_back(serve, tmp_path, link):
    folder, point = link
    path = str(tmp_path / "a.sock")
    fixed = free_address()
    specification = [
        ["tcp", {"host": "127.0.0.1", "port": 0}],
        ["tcp", {"host": fixed[0], "port": fixed[1]}],
        ["unix", {"path": path}],
    ]
    server = serve("--workers", "2", SEVERAL, json.dumps(specification), program=True, root=folder)
    server.serving()
    inodes = listening_inode(server.address), listening_inode(fixed), os.stat(path).st_ino

    def serves():
        found = listening_inode(server.address), listening_inode(fixed), os.stat(path).st_ino
        assert found == inodes
        assert ask(server.address)["count"] == ask(fixed)["count"] == ask(path)["count"] == 3

    serves()
    point(ROOT)
    new = upgrade(server, server.pid)
    serves()
    quit_and_wait(new)  # the old release goes on
    server.logged("this one (goes on|continues)")
    serves()
    new = upgrade(server, server.pid)
    assert server.end(signal.SIGQUIT) == 0
    serves()
    point(OLD)
    old = upgrade(server, new)
    serves()
    quit_and_wait(old)  # this release goes on
    server.logged("this one continues")
    serves()
    old = upgrade(server, new)
    quit_and_wait(new)
    serves()
    quit_and_wait(old)
    assert not os.path.exists(path)
