"""The accept mutex: who watches, who competes, and how it gets free again."""

import asyncio
import os
import signal

import pytest

import ngxloop
from ngxloop.core.gates import make_gate
from ngxloop.core.scoreboard import Scoreboard
from tests.core.gate_crew import Crew, running_crew, until


def test_mutex_worker_with_less_than_an_eighth_free_does_not_compete():
    with running_crew("mutex", workers=2, worker_connections=16) as (crew, clients):
        crew.tell(1, "block")
        assert clients.connect(crew.address, 15) == [0] * 15
        crew.tell(1, "unblock")

        def left() -> bool:
            crew.tell(0, "block")  # a turn, in which it decides: it may have slept since
            crew.tell(0, "unblock")
            return crew.values("gated") == [True, False]

        until(left, "worker 0 does not compete")
        assert clients.connect(crew.address, 15) == [1] * 15


def test_mutex_of_a_dead_holder_is_freed_by_release():
    with running_crew("mutex") as (crew, clients):
        holder = killed_holder(crew)
        assert crew.mutex_pid() == crew.pids[holder]  # a zombie: the waiters leave it to the master
        assert crew.do("release", holder) is True
        assert holder not in clients.connect(crew.address, 10)


def test_mutex_of_a_dead_holder_is_freed_by_a_waiter_without_a_master():
    with running_crew("mutex") as (crew, clients):
        holder = killed_holder(crew)
        crew.do("reap", holder)
        assert holder not in clients.connect(crew.address, 10)


def killed_holder(crew: Crew) -> int:
    """Kill the worker that waits with the mutex; return its slot."""
    until(lambda: crew.mutex_pid() in crew.pids, "somebody has the mutex")
    while True:
        holder = crew.pids.index(crew.mutex_pid() or crew.pids[0])
        crew.do("freeze", holder)
        if crew.mutex_pid() == crew.pids[holder]:
            crew.do("kill", holder)
            return holder
        crew.do("thaw", holder)


def test_mutex_waiters_do_not_watch():
    with running_crew("mutex") as (crew, clients):
        for slot in range(4):  # each has watched once
            others = [other for other in range(4) if other != slot]
            for other in others:
                crew.tell(other, "block")
            assert clients.connect(crew.address) == [slot]
            for other in others:
                crew.tell(other, "unblock")
        until(lambda: crew.watchers() == [crew.mutex_pid()], "only the holder watches")


def test_mutex_is_let_go_when_the_loop_stops_in_the_middle_of_a_turn():
    loop = ngxloop.new_event_loop()
    board = Scoreboard(1)
    board.claim(0, os.getpid())
    loop.set_accept_gate(make_gate("mutex", board, 0))
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
    previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert board.read(0)["locks"] > 0
    assert board.mutex_pid == 0
    server.close()
    loop.run_until_complete(server.wait_closed())
    loop.close()
