"""TimerHandle: order against a model, deadlines beyond all bounds, what the tree holds."""

import math
import random
import time

import pytest

from tests.support.randomness import printed_random

PAST = {"-inf": -math.inf, "-1e300": -1e300, "nan": math.nan, "-1e10": -1e10, "0": 0.0, "-1": -1.0}


class Clock:
    """A clock for a loop, which stands still until it is set."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def run_turn(loop) -> None:
    """Run what is ready, and what is due."""
    loop.call_soon(loop.stop)
    loop.run_forever()


@pytest.mark.parametrize("when", PAST.values(), ids=PAST)
def test_timer_in_the_past_runs_in_the_next_turn(loop, when):
    loop.call_at(when, loop.stop)

    loop.run_forever()

    assert loop.turn_count == 1


@pytest.mark.parametrize("when", [math.inf, 1e300, 1e10], ids=["inf", "1e300", "1e10"])
def test_timer_beyond_the_clock_waits(loop, when):
    loop.call_at(when, pytest.fail, "a timer of the far future ran")
    loop.call_later(0.001, loop.stop)

    loop.run_forever()


@pytest.mark.parametrize("now", [-1e9, -1e300, -math.inf])
def test_timer_on_a_clock_before_zero_is_not_due(loop, now):
    loop.time = Clock(now)
    loop.call_at(math.inf, pytest.fail, "a timer of the far future ran")

    run_turn(loop)


def test_timers_run_in_order_of_deadline_and_then_of_scheduling(loop):
    rng = printed_random()
    loop.time = clock = Clock()
    seen = []
    whens = [clock.now + rng.randrange(50) for _ in range(2000)]
    for number, when in enumerate(whens):
        loop.call_at(when, seen.append, number)

    clock.now += 50
    run_turn(loop)

    assert seen == sorted(range(2000), key=whens.__getitem__)


def test_timer_is_due_when_the_clock_shows_its_deadline(loop):
    loop.time = clock = Clock()
    seen = []
    loop.call_at(clock.now, seen.append, "now")
    loop.call_at(math.nextafter(clock.now + 1e-9, math.inf), seen.append, "a nanosecond later")

    run_turn(loop)

    assert seen == ["now"]


def test_timers_armed_cancelled_and_due_at_random_match_a_model(loop, probe):
    rng = printed_random()
    loop.time = clock = Clock()
    model = TimerModel()

    for _ in range(3000):
        choice = rng.random()
        if choice < 0.5:
            when = clock.now + rng.choice([0, 1, 2, 5, 1e-9, rng.random() * 10])
            model.arm(when, loop.call_at(when, model.ran))
        elif choice < 0.8:
            model.cancel_any(rng)
        else:
            clock.now += rng.random()
            run_turn(loop)
            assert model.take_due(clock.now) == model.take_run()
        assert probe.timer_count == len(model.waiting)


class TimerModel:
    """Timers that wait, in a list, and those that have run."""

    def __init__(self) -> None:
        self.waiting: list[tuple[float, int, object]] = []
        self.armed_count = 0
        self.run_count = 0

    def ran(self) -> None:
        self.run_count += 1

    def arm(self, when: float, timer: object) -> None:
        self.armed_count += 1
        self.waiting.append((when, self.armed_count, timer))

    def cancel_any(self, rng: random.Random) -> None:
        if self.waiting:
            self.waiting.pop(rng.randrange(len(self.waiting)))[2].cancel()

    def take_due(self, now: float) -> int:
        """Forget the timers that are due and return how many there were."""
        due = [entry for entry in self.waiting if entry[0] <= now]
        self.waiting = [entry for entry in self.waiting if entry[0] > now]
        assert not any(timer._scheduled for _, _, timer in due)
        assert all(timer._scheduled for _, _, timer in self.waiting)
        return len(due)

    def take_run(self) -> int:
        count, self.run_count = self.run_count, 0
        return count


@pytest.mark.parametrize("delay", [0.0, 1e-6, 0.0005, 0.001, 0.0031], ids=str)
@pytest.mark.parametrize("has_pwait2", [True, False], ids=["epoll_pwait2", "epoll_wait"])
def test_timer_is_never_early_on_the_real_clock(loop, probe, delay, has_pwait2):
    probe.has_pwait2 = has_pwait2
    for _ in range(5):
        start = time.monotonic()
        loop.call_later(delay, loop.stop)

        loop.run_forever()

        assert time.monotonic() - start >= delay


def test_timer_costs_one_wait(loop):
    loop.call_later(0.02, loop.stop)

    loop.run_forever()

    assert loop.turn_count <= 2  # one more if a signal ends the wait


def test_timer_armed_by_a_timer_waits_for_the_next_turn(loop):
    turns = []

    def again():
        turns.append(loop.turn_count)
        if len(turns) < 4:
            loop.call_later(0, again)
        else:
            loop.stop()

    loop.call_later(0, again)
    loop.run_forever()

    assert turns == [1, 2, 3, 4]


@pytest.mark.complaint(24)
def test_cancelled_timers_leave_the_tree_at_once(loop, probe):
    timers = [loop.call_later(number, print) for number in range(1000)]
    printed_random().shuffle(timers)

    for timer in timers[:900]:
        timer.cancel()
        timer.cancel()

    assert probe.timer_count == 100


def test_timer_that_is_ready_has_left_the_tree(loop, probe):
    seen = []
    loop.call_later(0, lambda: seen.append((timer._scheduled, probe.timer_count)))
    timer = loop.call_later(0, Clock())

    run_turn(loop)

    assert seen == [(False, 0)]


@pytest.mark.parametrize("when", [5, True, 5.25, -3])
def test_when_is_the_time_asked_for(loop, when):
    assert loop.call_at(when, print).when() == when


@pytest.mark.parametrize("when", ["5", None, [], 1j], ids=repr)
def test_time_that_is_no_number_is_refused_before_anything_happens(loop, probe, when):
    for schedule in (loop.call_at, loop.call_later):
        with pytest.raises(TypeError):
            schedule(when, print)

    assert probe.timer_count == 0


def test_clock_that_raises_ends_the_run_and_the_loop_can_run_again(loop):
    def broken():
        raise ValueError("no time")

    timer = loop.call_later(0, pytest.fail)
    loop.time = broken

    with pytest.raises(ValueError, match="no time"):
        loop.run_forever()

    timer.cancel()
    run_turn(loop)


def test_clock_given_back_is_the_loops_own_again(loop):
    loop.time = Clock(0.0)
    del loop.time

    loop.call_later(0.001, loop.stop)
    loop.run_forever()

    assert abs(loop.time() - time.monotonic()) < 1


def test_closing_the_loop_empties_the_tree(loop, probe):
    timers = [loop.call_later(number, print) for number in range(100)]

    loop.close()

    assert probe.timer_count == 0
    for timer in timers:
        timer.cancel()
