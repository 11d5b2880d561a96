"""Records of the master: back-off, exit reasons, generations."""

import os
import signal

import pytest

from ngxloop.serving.config import Config
from ngxloop.serving.listeners import Listeners
from ngxloop.serving.places import Generation, Place, respawn_delay
from ngxloop.serving.process import exit_reason
from ngxloop.serving.states import Event, State


def generation_of(number, count):
    return Generation(number, Config(app="a:b"), Listeners(), count)


def test_respawn_delay_is_none_at_first_then_doubles_to_its_limit():
    delays = [respawn_delay(deaths) for deaths in range(12)]
    assert delays == [0, 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30]
    assert respawn_delay(10**6) == 30


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda: os._exit(0), "exited with code 0"),
        (lambda: os._exit(7), "exited with code 7"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL"),
        (lambda: os.kill(os.getpid(), signal.SIGRTMIN + 3), "was killed by signal 37"),
    ],
)
def test_exit_reason_says_how_a_process_ended(end, reason):
    pid = os.fork()
    if pid == 0:
        end()
    assert exit_reason(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])) == reason


def test_generation_is_ready_when_all_its_workers_are():
    generation = generation_of(1, 2)
    for place in generation.places:
        assert not generation.is_ready
        place.advance(Event.SPAWN)
        place.advance(Event.READY)
    assert generation.is_ready


def test_replacement_takes_number_and_young_ends_of_the_place():
    generation = generation_of(3, 2)
    old = generation.places[1]
    old.history.young_ends = 4
    fresh = generation.replace(old)
    assert generation.places[1] is fresh
    assert (str(fresh), fresh.history.young_ends, fresh.state) == ("worker 3.1", 4, State.DEAD)


def test_empty_place_sends_no_signal():
    place = Place(0, generation_of(1, 0))
    place.send_signal(signal.SIGKILL)  # to process 0 it would be our whole process group
    assert not place.is_live
