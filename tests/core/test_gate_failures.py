"""Accept gates with workers that block, freeze, drain, die, are full or out of fds."""

import time
from collections import Counter

import pytest

from tests.core.gate_crew import (
    EXCLUSIVE_MODES,
    Clients,
    Crew,
    all_modes,
    echo,
    running_crew,
    until,
)

# Blocked and frozen.


@pytest.mark.complaint(5)
@all_modes
def test_blocked_worker_gets_nothing_until_it_runs_again(mode):
    with running_crew(mode) as (crew, clients):
        assert crew.tell(0, "block") == "blocked"
        assert 0 not in clients.connect(crew.address, 20)
        assert 0 not in clients.burst(crew.address, count=200)
        assert crew.tell(0, "unblock") == "unblocked"
        clients.close()
        until(lambda: 0 in served_once(crew, clients), "worker 0 accepts again")


def served_once(crew: Crew, clients: Clients) -> list[int]:
    """Return the workers that serve a few short connections."""
    slots = clients.burst(crew.address, count=8)
    clients.close()
    return slots


def test_fair_counts_no_blocked_worker():
    with running_crew("fair") as (crew, clients):
        crew.tell(0, "block")
        until(lambda: seems_stuck(crew, 0), "worker 0 is seen to be stuck")
        clients.connect_idle(crew, 90)
        # In turns nobody is above the mean of the three; above that of the four all would be.
        assert sum(crew.values("left")) == 0


def seems_stuck(crew: Crew, slot: int) -> bool:
    values = crew.slots()[slot]
    return not values["waiting"] and time.monotonic_ns() - values["beat_ns"] > 150_000_000


@pytest.mark.parametrize("mode", EXCLUSIVE_MODES)
def test_frozen_worker_keeps_nobody_waiting(mode):
    with running_crew(mode) as (crew, clients):
        crew.settle()
        crew.do("freeze", 0)
        assert crew.slots()[0]["waiting"]  # for the others it may still accept
        assert 0 not in clients.burst(crew.address, count=200)


# Leaving for good.


@all_modes
def test_draining_worker_leaves_and_keeps_what_it_has(mode):
    with running_crew(mode) as (crew, clients):
        clients.burst(crew.address, count=40)
        crew.tell(0, "drain")
        until(lambda: not crew.slots()[0]["listening"], "worker 0 has left")
        until(lambda: crew.pids[0] not in crew.watchers(), "worker 0 watches no listener")
        assert 0 not in clients.burst(crew.address, count=40)
        assert all(echo(sock, b"still here") == b"still here" for sock, _ in clients.open)


@all_modes
def test_closed_server_leaves_the_rest_to_the_others(mode):
    with running_crew(mode) as (crew, clients):
        crew.tell(0, "close")
        assert 0 not in clients.burst(crew.address, count=100)


@all_modes
def test_killed_worker_is_replaced_by_the_others(mode):
    with running_crew(mode) as (crew, clients):
        clients.connect(crew.address, 4)
        crew.do("kill", 0)
        crew.do("reap", 0)
        crew.do("release", 0)
        assert 0 not in clients.burst(crew.address, count=100)
        assert crew.slots()[0]["active"] == 0


# Out of fds.


@pytest.mark.complaint(25)
@all_modes
def test_worker_out_of_fds_rests_and_the_others_take_over(mode):
    with running_crew(mode) as (crew, clients):
        crew.tell(0, "limit_fds", 2)
        for slot in (1, 2, 3):
            crew.tell(slot, "block")
        assert clients.connect(crew.address, 2) == [0, 0]
        clients.start(crew.address)
        until(lambda: crew.slots()[0]["pauses"] == 1, "worker 0 is out of fds")
        for slot in (1, 2, 3):
            crew.tell(slot, "unblock")
        assert 0 not in clients.wait()
        assert 0 not in clients.connect(crew.address, 20)


def test_worker_out_of_fds_accepts_again_after_a_rest():
    with running_crew("fair", workers=1) as (crew, clients):
        crew.tell(0, "limit_fds", 3)
        clients.connect(crew.address, 3)
        clients.start(crew.address)
        until(lambda: crew.slots()[0]["pauses"] == 1, "the worker is out of fds")
        crew.tell(0, "limit_fds", -1)
        assert clients.wait() == [0]


@pytest.mark.parametrize("mode", EXCLUSIVE_MODES)
def test_wake_up_that_a_worker_cannot_use_goes_to_another(mode):
    with running_crew(mode) as (crew, clients):
        for slot in range(3):
            crew.tell(slot, "limit_fds", 0)
        assert set(clients.connect_idle(crew, 12)) == {3}
        assert max(crew.values("pauses")) == 1  # nobody has waited for the end of a rest


# worker_connections.


@all_modes
def test_full_worker_does_not_listen_until_a_connection_is_closed(mode):
    with running_crew(mode, workers=1, worker_connections=5) as (crew, clients):
        clients.connect(crew.address, 5)
        until(lambda: not crew.slots()[0]["listening"], "the worker is full")
        clients.start(crew.address)
        clients.close_some(0, 1)
        assert clients.wait() == [0]
        assert crew.values("active") == [5]


@all_modes
def test_full_worker_leaves_connections_to_the_others(mode):
    with running_crew(mode, worker_connections=16) as (crew, clients):
        served = Counter(clients.burst(crew.address, count=64))
        assert served == {0: 16, 1: 16, 2: 16, 3: 16}


# What else may happen to a worker.


@all_modes
def test_forked_child_of_a_worker_leaves_its_slot_alone(mode):
    with running_crew(mode, workers=1) as (crew, clients):
        clients.connect(crew.address, 3)
        assert crew.tell(0, "fork") == 0
        assert crew.values("active") == [3]
        assert crew.values("pid") == crew.pids
        assert clients.connect(crew.address, 3) == [0] * 3
        assert crew.values("active") == [6]


@all_modes
def test_socket_closed_behind_the_loops_back_does_not_stop_the_loop(mode, tmp_path):
    listeners = ("", str(tmp_path / "other"))
    options = {"workers": 1, "listeners": listeners, "worker_connections": 2}
    with running_crew(mode, **options) as (crew, clients):
        crew.tell(0, "replace_socket", 0)
        for _ in range(3):  # full, and back again, with what is left
            clients.connect(crew.addresses[1], 2)
            until(lambda: not crew.slots()[0]["listening"], "the worker is full")
            clients.close()
        assert clients.connect(crew.addresses[1]) == [0]
