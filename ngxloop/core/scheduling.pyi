import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from traceback import StackSummary
from types import FrameType, ModuleType
from typing import Any, TypeVar, TypeVarTuple

from typing_extensions import disjoint_base

from ngxloop.core.attributes import LoopAttributes

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

def bind_extract_stack(function: Callable[[FrameType], StackSummary]) -> None: ...
def bind_futures(futures_module: ModuleType) -> None: ...
def bind_tasks(tasks_module: ModuleType, create_task: Callable[..., asyncio.Task[Any]]) -> None: ...

@disjoint_base
class Scheduling(LoopAttributes):
    _task_factory: Any
    _thread_id: int | None
    def is_running(self) -> bool: ...
    def _general_methods(self) -> set[str]: ...
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
    def create_task(
        self,
        coro: Coroutine[Any, Any, _T] | Generator[Any, None, _T],
        *,
        name: object = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[_T]: ...
    def create_future(self) -> asyncio.Future[Any]: ...
