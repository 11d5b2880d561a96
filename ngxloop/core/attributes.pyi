import asyncio
from typing import Any

from ngxloop.core.reactor import Reactor

class LoopAttributes(Reactor):
    slow_callback_duration: float
    def get_debug(self) -> bool: ...
    def is_closed(self) -> bool: ...
    def __setattr__(self, name: str, value: Any, /) -> None: ...
    _debug: bool
    _closed: bool
    _stopping: bool
    _current_handle: asyncio.Handle | None
    def _check_closed(self) -> None: ...
