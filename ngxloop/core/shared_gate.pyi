from typing import Self

from typing_extensions import disjoint_base

from ngxloop.core.gate import AcceptGate
from ngxloop.core.scoreboard import Scoreboard

@disjoint_base
class SharedGate(AcceptGate):
    def __new__(
        cls,
        board: Scoreboard,
        slot: int,
        *,
        worker_connections: int | None = None,
        accept_limit: int | None = None,
        heartbeat: float | None = None,
    ) -> Self: ...
    @property
    def board(self) -> Scoreboard: ...
    @property
    def slot(self) -> int: ...
    @property
    def worker_connections(self) -> int: ...
