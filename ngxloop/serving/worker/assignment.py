"""What the master gives a worker at the fork."""

import dataclasses
import random
from collections.abc import Sequence

from ngxloop import leader
from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.base.states import State
from ngxloop.serving.config.config import Config
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.sockets.listeners import ListeningSocket


@dataclasses.dataclass(frozen=True)
class Assignment:
    """One worker, before it begins."""

    config: Config
    name: str
    slot: int
    board: Scoreboard
    channel: Channel
    sockets: Sequence[ListeningSocket]
    master_pid: int
    line: Channel | None = None  # to the keeper, if the worker may ask it for sockets
    plain: Sequence[int] = ()  # which of the sockets speak no TLS, by their place
    number: int = 0  # among the workers of its generation, from 0
    generation: int = 1
    request_limit: int = 0  # after so many it asks to be replaced; 0: never
    is_preloaded: bool = False  # forked by a zygote, which has become the workers' user
    stacks_fd: int = -1  # where it writes its stacks, see stackpipe.py

    def look(self, *, urge: bool = False) -> None:
        """Have the gate look again whether a connection waits; in the worker.

        Args:
            urge: One waits that nobody takes.
        """
        self.board.wake(urge=urge)

    def enter(self, state: State) -> None:
        """Tell the scoreboard and the operator's hooks that the worker has got to a state."""
        self.board.set_state(self.slot, state.value)
        if state is State.DRAINING:
            leader.resign()
        if state in _HOOKS:
            self.config.hook_functions.call(_HOOKS[state], self.number)


def draw_request_limit(config: Config) -> int:
    """Return after how many requests a worker asks to be replaced; each after another number."""
    if not config.max_requests:
        return 0
    return config.max_requests + random.randint(0, config.max_requests_jitter)


_HOOKS = {State.READY: "worker_ready", State.DRAINING: "worker_draining"}
