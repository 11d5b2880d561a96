import asyncio
from typing import Any, final

from typing_extensions import disjoint_base

from ngxloop.core.reactor import Reactor

@final
@disjoint_base
class TimerList(list[asyncio.TimerHandle]):
    def __init__(self, loop: Reactor) -> None: ...
    def __bool__(self) -> bool: ...
    def _replace(self, timers: list[Any]) -> None: ...
    def _settle(self) -> None: ...
