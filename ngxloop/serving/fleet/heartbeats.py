"""Heartbeats: for how long the loop of each worker has not turned. Without I/O and without a clock.

A loop counts its turns in the scoreboard, and an idle one turns several times in each hang
time-out. So a count that stays the same means a callback that does not return, a process that is
stopped, or a thread that keeps the interpreter's lock.

Rule. Only time that the observer has seen pass counts. It looks at fixed intervals; of a longer gap
between two looks it counts `longest_step` only: the observer did not run, and the workers may not
have run either (a suspended machine, a throttled container).
"""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass
class _Pulse:
    """What was seen of one worker."""

    turns: int
    silence: float = 0.0


class Heartbeats:
    """The pulses of all workers, by process id.

    Args:
        now: When the first interval begins.
        longest_step: How much of the time between two looks counts, in seconds.
    """

    def __init__(self, now: float, longest_step: float) -> None:
        self._looked_at = now
        self._longest_step = longest_step
        self._pulses: dict[int, _Pulse] = {}

    def look(self, now: float, turns: Mapping[int, int]) -> None:
        """Compare the turns of all workers with those of the look before."""
        step = min(max(0.0, now - self._looked_at), self._longest_step)
        self._looked_at = now
        self._pulses = {pid: self._update(pid, count, step) for pid, count in turns.items()}

    def silence(self, pid: int) -> float:
        """Return for how many seconds a worker has not turned its loop; 0 for an unknown one."""
        pulse = self._pulses.get(pid)
        return 0.0 if pulse is None else pulse.silence

    def _update(self, pid: int, count: int, step: float) -> _Pulse:
        pulse = self._pulses.get(pid)
        if pulse is None or pulse.turns != count:
            return _Pulse(count)
        return _Pulse(count, pulse.silence + step)


def can_answer(silence: float, *, is_waiting: bool, timeout: float, patience: float) -> bool:
    """Say whether a worker can be expected to answer a request that comes now.

    Args:
        silence: For how long its loop has not turned.
        is_waiting: It sleeps, as an idle one does, until its next heartbeat at the latest.
        timeout: The hang time-out; 0: an idle worker has no heartbeats.
        patience: How long a callback may last.
    """
    if timeout and silence > timeout / 2:
        return False
    return is_waiting or silence <= patience
