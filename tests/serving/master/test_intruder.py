"""A hostile worker of nobody gets nothing from root's master that its own rights do not give it."""

import contextlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.serving.support import Server, connect, receive_line, wait_gone
from tests.support.waiting import wait_until_blocking

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

FOLDER = Path(__file__).parents[2] / "support"
# What a script and the attack import later, where the user of the workers may not read it.
MODULES = "array, asyncio, ctypes, encodings.ascii, json, pkgutil, random, resource, runpy"
PROGRAM = [
    *(sys.executable, "-P", "-c"),
    f"import {MODULES}, sys; from ngxloop.cli import main; sys.exit(main())",
]
KINDS = {
    "application": ("intruder:Protocol", "--interface", "protocol", "--bind", "127.0.0.1:0"),
    "unnamed application": ("intruder:Protocol", "--bind", "127.0.0.1:0"),
    "stream handler": ("intruder:handle", "--bind", "127.0.0.1:0"),
    "main": ("intruder:main",),
    "script": (str(FOLDER / "intruder.py"),),
}


@pytest.fixture
def hostile(ours, monkeypatch):
    """Start a master with an intruder, and all that a master can open."""
    program, secret = ours / "cat", ours / "secret"
    shutil.copy("/bin/cat", program)
    program.chmod(0o4755)
    secret.write_text("root's")
    secret.chmod(0o600)
    control, pidfile = ours / "control", ours / "master.pid"
    monkeypatch.setenv("INTRUDER_FILES", json.dumps([str(control), str(pidfile), str(secret)]))
    monkeypatch.setenv("INTRUDER_SETUID", json.dumps([str(program), str(secret)]))

    servers = []

    def start(app, *options):
        given = [
            *("--user", "nobody", "--workers", "2", "--app-dir", str(FOLDER)),
            *("--control-socket", str(control), "--pidfile", str(pidfile)),
            *("--status-bind", "127.0.0.1:0", *options, app),
        ]
        servers.append(Server(given, program=PROGRAM))
        return servers[-1].serving()

    yield start
    for server in servers:
        server.close()


def say(address, line):
    """Return the answer of a worker, None if it was ended before."""
    with connect(address) as sock, contextlib.suppress(ConnectionResetError):
        sock.sendall(line)
        answer = receive_line(sock)
        return json.loads(answer) if answer else None


def address_of(server):
    host, _, port = server.addresses[0].rpartition(":")
    return host, int(port)


def survives_attack(server, generation=1):
    """Attack, and see that nothing was got, and that only the worker is gone."""
    server.forget_log()
    assert say(address_of(server), b"attack\n") == []
    assert say(address_of(server), b"bind\n") in ([], None)  # None: replaced for a request
    say(address_of(server), b"talk\n")
    server.logged(rf"worker {generation}\.\d .*ended: it has sent ")
    server.logged(rf"worker {generation}\.\d ready")
    # Both "bind" and "talk" may have had a worker replaced, the second of them just now.
    wait_until_blocking(
        lambda: all(say(address_of(server), b"look\n") for _ in range(5)), "five answers in a row"
    )


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_hostile_worker_gets_nothing(hostile, kind):
    server = hostile(kind[0], *kind[1:])
    survives_attack(server)
    assert server.end() == 0


@pytest.mark.parametrize("kind", ["application", "main"])
def test_hostile_worker_of_a_process_that_preloads_gets_nothing(hostile, kind):
    app, *options = KINDS[kind]
    server = hostile(app, *options, "--preload")
    survives_attack(server)
    assert server.end() == 0


@pytest.mark.parametrize("kind", ["application", "main"])
def test_hostile_worker_after_a_reload_gets_nothing(hostile, kind):
    app, *options = KINDS[kind]
    server = hostile(app, *options)
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves")
    survives_attack(server, generation=2)
    assert server.end() == 0


@pytest.mark.parametrize("kind", ["application", "main"])
def test_hostile_worker_after_an_upgrade_gets_nothing(hostile, kind):
    app, *options = KINDS[kind]
    server = hostile(app, *options)
    server.send(signal.SIGUSR2)
    new = int(server.logged(r"the new master \(process (\d+)\) serves")[1])
    assert server.end(signal.SIGQUIT) == 0
    survives_attack(server)
    os.kill(new, signal.SIGTERM)
    wait_gone(new)


def test_attack_finds_what_it_looks_for(hostile):
    """With --allow-new-privileges the program with the setuid bit reads the file."""
    app, *options = KINDS["application"]
    server = hostile(app, *options, "--allow-new-privileges")
    (got,) = say(address_of(server), b"attack\n")
    assert got.startswith("execute_setuid_program: ")
