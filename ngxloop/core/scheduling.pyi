import asyncio
from collections.abc import Callable
from contextvars import Context
from traceback import StackSummary
from types import FrameType
from typing import Any, TypeVarTuple

from ngxloop.core.attributes import LoopAttributes

_Ts = TypeVarTuple("_Ts")

def bind_extract_stack(function: Callable[[FrameType], StackSummary]) -> None: ...
def bind_future_class(future_class: type[asyncio.Future[Any]]) -> None: ...

class Scheduling(LoopAttributes):
    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle: ...
    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle: ...
    def call_later(
        self,
        delay: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def call_at(
        self,
        when: float,
        callback: Callable[[*_Ts], object],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle: ...
    def create_future(self) -> asyncio.Future[Any]: ...
