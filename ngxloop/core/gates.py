"""make_gate: from the name of an accept mode to the gate of a worker."""

from ngxloop.core.exclusive_gate import ExclusiveGate
from ngxloop.core.fair_gate import FairGate
from ngxloop.core.mutex_gate import MutexGate
from ngxloop.core.scoreboard import Scoreboard
from ngxloop.core.shared_gate import SharedGate

MODES: dict[str, type[SharedGate]] = {
    "fair": FairGate,
    "mutex": MutexGate,
    "exclusive": ExclusiveGate,
    "plain": SharedGate,
    "reuseport": SharedGate,  # every worker has sockets of its own
}
# The modes in which workers wake each other, see Scoreboard.open_wakeup_fds().
WAKING_MODES = frozenset({"fair", "mutex", "exclusive"})


def make_gate(
    mode: str,
    board: Scoreboard,
    slot: int,
    *,
    worker_connections: int | None = None,
    accept_limit: int | None = None,
    heartbeat: float | None = None,
) -> SharedGate:
    """Make the accept gate of the worker that has a slot of a scoreboard.

    Args:
        mode: fair, mutex, exclusive, plain or reuseport.
        worker_connections: how many accepted connections the worker may have open; others wait
            in the kernel's queue, or go to other workers. By default as many as the process may
            have fds, but for a reserve of 64.
        accept_limit: connections that one event of a listener may take; by default one.
        heartbeat: the longest wait of the loop in seconds, so that a master sees it turn. It has to
            urge the workers when connections wait that no worker takes; without a heartbeat workers
            check that themselves.

    Raises:
        ValueError: there is no such mode or slot, or a number is not positive.
    """
    if mode not in MODES:
        raise ValueError(f"accept mode must be one of {', '.join(MODES)}, not {mode!r}")
    return MODES[mode](
        board,
        slot,
        worker_connections=worker_connections,
        accept_limit=accept_limit,
        heartbeat=heartbeat,
    )
