"""Accept gates among healthy workers: who gets how much, and who is woken."""

import time
from collections import Counter

import pytest

from tests.core.gate_crew import (
    EVEN,
    EXCLUSIVE_MODES,
    all_modes,
    evenest,
    most_over_mean,
    running_crew,
    until,
)

# Who gets how much.


@all_modes
def test_2000_short_connections_are_all_served_and_counted(mode):
    with running_crew(mode) as (crew, clients):
        served = Counter()
        for _ in range(20):
            served.update(clients.burst(crew.address, count=100))
            clients.close()
        assert crew.values("accepted") == [served[slot] for slot in range(4)]
        assert served.total() == 2000
        until(lambda: crew.values("active") == [0] * 4, "all connections seen closed")


@pytest.mark.complaint(1)
def test_fair_spreads_a_burst():
    def burst(crew, clients):
        with crew.undisturbed():
            served = clients.burst(crew.address, count=200)
        assert sum(crew.values("calls")) > 0  # who had left was called back, not just came back
        return served

    assert evenest(burst) <= EVEN


def test_fair_spreads_a_queue_that_was_there_before_the_workers_ran():
    def queue(crew, clients):
        for slot in range(4):
            crew.do("freeze", slot)
        for _ in range(200):
            clients.start(crew.address)
        with crew.undisturbed():
            for slot in range(4):
                crew.do("thaw", slot)
            return clients.wait()

    assert evenest(queue) <= EVEN


def test_fair_spreads_connections_a_millisecond_apart():
    def paced(crew, clients):
        with crew.undisturbed():
            return clients.paced(crew.address, 200, 0.001)

    assert evenest(paced) <= EVEN


def test_fair_gives_new_connections_to_those_who_have_fewer():
    with running_crew("fair") as (crew, clients):
        clients.burst(crew.address, count=80)
        clients.burst_until(crew.address, 0, 20)
        clients.close_but(5, (1, 2, 3))
        until(lambda: max(crew.values("active")[1:]) <= 5, "connections seen closed")
        served = clients.connect(crew.address, 30)
        assert (
            served.count(0) <= 1
        )  # the first may come before it has seen that it is above the mean


@pytest.mark.complaint(3)
def test_fair_takes_turns_when_idle():
    with running_crew("fair") as (crew, clients):
        served = clients.connect_idle(crew, 20)
        assert served == served[:4] * 5
        assert set(served) == {0, 1, 2, 3}


@pytest.mark.complaint(3)
def test_exclusive_takes_turns_of_16_when_idle():
    with running_crew("exclusive") as (crew, clients):
        served = clients.connect_idle(crew, 4 + 4 * 16)  # it goes to the end after the first accept
        assert Counter(served) == {0: 17, 1: 17, 2: 17, 3: 17}
        assert served[4:20] == [served[4]] * 16


@all_modes
def test_several_listeners_of_both_families_are_served(mode, tmp_path):
    listeners = ("", str(tmp_path / "first"), "", str(tmp_path / "second"))
    with running_crew(mode, listeners=listeners) as (crew, clients):
        with crew.undisturbed():
            served = clients.burst(*crew.addresses, count=120)
        assert Counter(served).total() == 120
        assert sum(crew.values("accepted")) == 120
        if mode == "fair":
            assert most_over_mean(served) <= 1.2


# Who is woken.


@pytest.mark.complaint(4)
@pytest.mark.parametrize("mode", EXCLUSIVE_MODES)
def test_exclusive_wake_ups_are_one_for_each_connection(mode):
    with running_crew(mode) as (crew, clients):
        crew.settle()
        before = crew.wake_ups()
        clients.connect_idle(crew, 30)
        assert 30 <= crew.wake_ups() - before <= 40


def test_plain_wakes_all_workers_for_each_connection():
    with running_crew("plain") as (crew, clients):
        crew.settle()
        before = crew.wake_ups()
        clients.connect_idle(crew, 30)
        assert crew.wake_ups() - before >= 90


@pytest.mark.parametrize("mode", ["fair", "exclusive", "plain"])
def test_idle_worker_does_not_run(mode):
    with running_crew(mode) as (crew, clients):
        clients.connect_idle(crew, 8)
        before = crew.values("turns")
        time.sleep(0.2)  # that nothing happens takes time
        assert crew.values("turns") == before
