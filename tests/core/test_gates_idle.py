"""Accept gates of a server on which nothing happens: how seldom they look, and what ends that."""

import time
from collections import Counter
from pathlib import Path

import pytest

from tests.core.gate_crew import EVEN, Clients, Crew, evenest, running_crew, until

# Looks after 10, 20, 40, ... 320 ms, then every 500 ms; in a second 7, and a few for the start.
FIRST_LOOKS = 12


def test_fair_worker_above_its_share_hardly_runs_on_an_idle_server():
    with running_crew("fair") as (crew, clients):
        let_worker_0_leave(crew, clients)
        turns, seconds = turns_while_nothing_happens(crew)
        assert turns[1:] == [0, 0, 0]
        assert turns[0] <= FIRST_LOOKS + 2 * seconds


def test_mutex_waiters_hardly_run_on_an_idle_server():
    with running_crew("mutex") as (crew, clients):
        clients.connect(crew.address, 4)
        turns, seconds = turns_while_nothing_happens(crew)
        assert max(turns) <= FIRST_LOOKS + 2 * seconds


def test_fair_burst_after_idleness_is_spread():
    def burst(crew, clients):
        let_worker_0_leave(crew, clients)
        until_it_looks_seldom(crew, 0)
        with crew.undisturbed():
            clients.burst(crew.address, count=200)
        return [slot for _, slot in clients.open]

    assert evenest(burst) <= EVEN


@pytest.mark.parametrize("how", ["freeze", "block"])
def test_fair_worker_that_looks_seldom_serves_when_all_others_are_stuck(how):
    with running_crew("fair") as (crew, clients):
        let_worker_0_leave(crew, clients)
        until_it_looks_seldom(crew, 0)
        for slot in (1, 2, 3):
            if how == "freeze":
                crew.do("freeze", slot)
            else:
                crew.tell(slot, "block")
        served = Counter(clients.burst(crew.address, count=100))
        assert served == {0: 100}


def test_mutex_let_go_by_a_worker_that_blocks_is_offered_to_one_that_waits_long():
    with running_crew("mutex") as (crew, clients):
        until(lambda: crew.mutex_pid() in crew.pids, "somebody has the mutex")
        holder = crew.pids.index(crew.mutex_pid())
        for slot in {0, 1, 2, 3} - {holder}:
            until_it_looks_seldom(crew, slot)
        holder = crew.pids.index(crew.mutex_pid())
        before = wake_count(crew)
        crew.tell(holder, "block")
        assert wake_count(crew) > before
        assert holder not in clients.burst(crew.address, count=100)


def let_worker_0_leave(crew: Crew, clients: Clients) -> None:
    """Give worker 0 more connections than the others, and let it see that."""
    clients.burst(crew.address, count=80)
    clients.burst_until(crew.address, 0, 20)
    clients.close_but(5, (1, 2, 3))
    until(lambda: max(crew.values("active")[1:]) <= 5, "connections seen closed")
    clients.connect_idle(crew, 8)
    until(lambda: crew.values("gated") == [True, False, False, False], "worker 0 has left")
    crew.settle()


def turns_while_nothing_happens(crew: Crew) -> tuple[list[int], float]:
    """Return the turns of the workers in a second or more, and how long it was."""
    before, began = crew.values("turns"), time.monotonic()
    time.sleep(1)  # that nothing happens takes time
    after = crew.values("turns")
    turns = [late - early for early, late in zip(before, after, strict=True)]
    return turns, time.monotonic() - began


def until_it_looks_seldom(crew: Crew, slot: int) -> None:
    """Wait until a worker has slept for a tenth of a second."""

    def sleeps_long() -> bool:
        values = crew.slots()[slot]
        return values["waiting"] and time.monotonic_ns() - values["beat_ns"] > 100_000_000

    until(sleeps_long, f"worker {slot} looks seldom")


def wake_count(crew: Crew) -> int:
    """Return how often the wakeup_fds were written to: they are never read, so they count it."""
    count = 0
    for entry in Path(f"/proc/{crew._process.pid}/fdinfo").iterdir():
        for line in entry.read_text().splitlines():
            if line.startswith("eventfd-count:"):
                count += int(line.split()[1], 16)
    return count
