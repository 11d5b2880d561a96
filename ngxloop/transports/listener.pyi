import asyncio
import socket
from collections.abc import Callable
from contextvars import Context
from typing import final

from ngxloop.core.reactor import Reactor

@final
class Listener:
    def __init__(
        self,
        loop: Reactor,
        sock: socket.socket,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        server: asyncio.Server | None,
        context: Context | None = None,
    ) -> None: ...
    def accept_waiting(self) -> None: ...
    def close(self) -> None: ...
    def is_closing(self) -> bool: ...
    def report_failure(self, protocol: asyncio.BaseProtocol | None, exc: BaseException) -> None: ...

def resume_accepting(loop: Reactor) -> None: ...
