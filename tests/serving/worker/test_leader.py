"""One worker leads, and another one when it goes."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys

import pytest

from ngxloop import leader
from tests.serving.support import (
    DEADLINE,
    connect,
    environment,
    receive_line,
    run_to_end,
    wait_gone,
)


@pytest.fixture
def open_to_each():
    """Open a connection to each worker of a list; all are closed after the test."""
    with contextlib.ExitStack() as opened:

        def open_some(server, pids):
            found = {}
            while not found.keys() >= set(pids):  # all stay open: they are shared evenly
                sock = opened.enter_context(connect(server.address))
                found.setdefault(ask(sock)[0], sock)
            return {pid: found[pid] for pid in pids}

        yield open_some


def ask(sock):
    sock.sendall(b"?\n")
    pid, answer = receive_line(sock).split()
    return int(pid), answer == b"True"


def leaders(connections):
    return [pid for pid, sock in connections.items() if ask(sock)[1]]


@pytest.mark.complaint(20)
def test_one_worker_leads_and_another_when_it_is_killed(serve, open_to_each):
    server = serve("leading:Leading", "--workers", "3").serving()
    connections = open_to_each(server, server.worker_pids(1))
    (first,) = leaders(connections)
    assert leaders(connections) == [first]
    os.kill(first, signal.SIGKILL)
    wait_gone(first)
    del connections[first]
    (second,) = leaders(connections)
    assert second != first


@pytest.mark.complaint(20)
def test_leader_that_drains_lets_the_new_generation_lead(serve, open_to_each):
    server = serve("leading:Leading", "--workers", "2").serving()
    old = open_to_each(server, server.worker_pids(1))
    assert len(leaders(old)) == 1
    server.send(signal.SIGHUP)
    server.logged("generation 2 serves, 1 drains")
    new = open_to_each(server, server.worker_pids(2))
    while not leaders(new):  # the old one has its order to drain, but may not have read it yet
        pass
    assert len(leaders(new)) == 1
    assert leaders(old) == []


@pytest.mark.complaint(20)
def test_two_masters_have_one_leader(serve, open_to_each):
    server = serve("leading:Leading", "--workers", "2").serving()
    old = open_to_each(server, server.worker_pids(1))
    assert len(leaders(old)) == 1
    server.send(signal.SIGUSR2)
    server.logged(r"the new master \(process \d+\) serves")
    new_pids = set(server.worker_pids(1)) - old.keys()
    new = open_to_each(server, new_pids)
    assert leaders(new) == []
    server.send(signal.SIGQUIT)
    while not leaders(new):  # the old one has its order to drain, but may not have read it yet
        pass
    assert len(leaders(new)) == 1


def test_program_without_a_master_leads():
    program = "from ngxloop.leader import is_leader; print(is_leader())"
    result = run_to_end([sys.executable, "-c", program])
    assert result.stdout == "True\n"


def test_waiting_ends_when_the_other_process_ends():
    """In processes of our own: the first holds the lock until its input ends."""
    program = (
        "import asyncio, os, sys\n"
        "from ngxloop import leader\n"
        "leader.open_lock()\n"
        "read, write = os.pipe()\n"
        "if (pid := os.fork()) == 0:\n"
        "    os.close(write)\n"
        "    assert leader.is_leader()\n"
        "    print('child leads', flush=True)\n"
        "    os.read(read, 1)\n"
        "    os._exit(0)\n"
        "sys.stdin.readline()\n"
        "print(leader.is_leader(), flush=True)\n"
        "os.close(write)\n"
        "asyncio.run(leader.wait_until_leader())\n"
        "print(leader.is_leader())\n"
        "leader.resign()\n"
        "print(leader.is_leader())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout.readline() == "child leads\n"
    output, _ = process.communicate("go\n", timeout=DEADLINE)
    assert output.split() == ["False", "True", "False"]


async def test_waiting_is_over_at_once_for_who_leads():
    async with asyncio.timeout(DEADLINE):
        await leader.wait_until_leader()
