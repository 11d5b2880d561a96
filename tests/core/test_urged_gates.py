"""Gates of a master: heartbeats instead of looks, and connections that are taken when it urges."""

import time

import pytest

from ngxloop.core.gates import make_gate
from ngxloop.core.scoreboard import Scoreboard
from tests.core.gate_crew import Crew, all_modes, running_crew, until

LONG = 3600.0


@pytest.mark.parametrize("heartbeat", [0, -1, float("nan")])
def test_heartbeat_must_be_positive(heartbeat):
    with pytest.raises(ValueError, match="heartbeat must be positive"):
        make_gate("fair", Scoreboard(1), 0, heartbeat=heartbeat)


@all_modes
def test_idle_workers_turn_at_each_heartbeat(mode):
    with running_crew(mode, heartbeat=0.05) as (crew, _):
        before = crew.values("turns")
        until(
            lambda: (
                min(now - then for now, then in zip(crew.values("turns"), before, strict=True)) > 3
            ),
            "every worker turns again and again",
        )


@all_modes
def test_no_worker_wakes_up_while_nothing_comes(mode):
    with running_crew(mode, heartbeat=LONG) as (crew, clients):
        clients.burst(crew.address, count=40)
        clients.close_some(0, 100)
        until(lambda: all(slept_for(crew, slot, 1.0) for slot in range(4)), "all sleep for long")
        before = crew.values("turns")
        time.sleep(0.5)  # that nothing happens takes time
        assert crew.values("turns") == before


def slept_for(crew: Crew, slot: int, seconds: float) -> bool:
    values = crew.slots()[slot]
    return values["waiting"] and time.monotonic_ns() - values["beat_ns"] > seconds * 1e9


def test_mutex_of_a_stopped_holder_is_taken_by_who_is_urged():
    with running_crew("mutex", heartbeat=LONG) as (crew, clients):
        holder = frozen_holder(crew)
        others = {0, 1, 2, 3} - {holder}
        clients.start(crew.address)
        for slot in others:
            crew.tell(slot, "urge")
        assert set(clients.wait()) <= others
        # it is theirs from now on, without being urged again
        assert set(clients.connect(crew.address, 20)) <= others
        crew.do("thaw", holder)
        until(lambda: crew.mutex_pid() in (0, *crew.pids), "the mutex is somebody's")
        assert len(clients.burst(crew.address, count=100)) == 100


def frozen_holder(crew: Crew) -> int:
    """Stop the worker that waits with the mutex; return its slot."""
    until(lambda: crew.mutex_pid() in crew.pids, "somebody has the mutex")
    while True:
        holder = crew.pids.index(crew.mutex_pid() or crew.pids[0])
        crew.do("freeze", holder)
        if crew.mutex_pid() == crew.pids[holder]:
            return holder
        crew.do("thaw", holder)


@pytest.mark.parametrize("byte", [0x00, 0x01, 0x7F, 0xFF], ids=hex)
@all_modes
def test_garbage_all_over_the_scoreboard_stops_nobody_who_is_urged(mode, byte):
    with running_crew(mode, heartbeat=LONG) as (crew, clients):
        clients.burst(crew.address, count=20)
        for _ in range(3):
            crew.settle()
            crew.tell(0, "scribble", byte)
            clients.start(crew.address)
            for slot in range(4):
                crew.tell(slot, "urge")
            assert len(clients.wait()) == 1


def test_state_that_another_process_has_written_does_not_make_a_worker_leave():
    with running_crew("fair", workers=2) as (crew, clients):
        crew.do("set_state", 0, 3)
        crew.tell(1, "block")
        assert set(clients.connect(crew.address, 5)) == {0}
