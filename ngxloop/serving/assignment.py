"""What the master gives a worker at the fork."""

import dataclasses
from collections.abc import Sequence

from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.channel import Channel
from ngxloop.serving.config import Config
from ngxloop.serving.listeners import ListeningSocket


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
    number: int = 0  # among the workers of its generation, from 0
    generation: int = 1
    request_limit: int = 0  # after so many it asks to be replaced; 0: never
