"""Repair the scoreboard: every worker can write to all of it, and need not be trusted.

The gates decide by it whether a worker accepts. Slots without a process that look like idle
workers, a state that is none, or a mutex whose holder does not exist make the others wait for a
worker that does not exist. Workers that are urged (acceptwatch.py) accept in spite of that, but
only half a second later each time, and a single ready worker is not urged: so what is wrong is
repaired. The own state of a worker is in its own memory too, where no other process can write it.
What the workers count of themselves is theirs to know, and is left alone.

Rule. A slot is repaired when it was wrong twice in a row: a worker enters a state before the master
hears of it. A state that follows an order of the master can come much later: a callback may keep
the worker from reading it.
"""

from collections.abc import Mapping, Sequence

from ngxloop.serving.base.states import State
from ngxloop.serving.fleet.machine import Machine
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.logs.logs import log

# What the scoreboard may say of a worker, by the state that the master knows. See states.py.
_LIVE = (State.STARTING, State.READY, State.DRAINING, State.STOPPING)
_POSSIBLE: Mapping[State, Sequence[State]] = {
    State.DEAD: (State.DEAD,),
    State.STARTING: (State.STARTING, State.READY, State.DRAINING),
    State.READY: (State.READY,),
    State.DRAINING: _LIVE,
    State.STOPPING: _LIVE,
}


class BoardCheck:
    """Compares the scoreboard with what the master knows."""

    def __init__(self, machine: Machine, processes: Processes) -> None:
        self._machine = machine
        self._processes = processes
        self._suspects: dict[int, int] = {}  # slot -> the process that had it
        self._suspect_holder = 0

    def run(self) -> None:
        """Look at all slots, and repair what was wrong the last time, too."""
        board = self._processes.board
        known = self._find_known()
        wrong = {}
        repaired = []
        for slot in range(board.slot_count):
            pid, state = known.get(slot, (0, State.DEAD))
            if self._is_right(slot, pid, state):
                continue
            if self._suspects.get(slot) == pid:
                board.repair(slot, pid, state.value)
                repaired.append(slot)
            else:
                wrong[slot] = pid
        self._suspects = wrong
        if self._is_mutex_repaired({pid for pid, _ in known.values()}) or repaired:
            log.warning("the scoreboard was repaired: a worker had written where it must not")
            self._processes.wakeups.nudge_all()

    def _find_known(self) -> dict[int, tuple[int, State]]:
        """Return process id and state of every worker, by its slot."""
        live = self._machine.fleet.live
        return {
            one.id.slot: (one.pid, live[one.id].state)
            for one in self._processes.all
            if one.id in live
        }

    def _is_right(self, slot: int, pid: int, state: State) -> bool:
        board = self._processes.board
        if state is State.STARTING and board.is_right(slot, 0, State.DEAD.value):
            return True  # it has not begun
        return any(board.is_right(slot, pid, one.value) for one in _POSSIBLE[state])

    def _is_mutex_repaired(self, pids: set[int]) -> bool:
        board = self._processes.board
        holder = board.mutex_pid
        is_known = holder == 0 or holder in pids
        is_suspect = not is_known and holder == self._suspect_holder
        self._suspect_holder = 0 if is_known else holder
        if is_suspect:
            board.unlock(holder)
        return is_suspect
