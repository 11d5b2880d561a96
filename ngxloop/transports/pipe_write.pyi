import asyncio
from collections.abc import Iterable
from contextvars import Context
from typing import Any, Never, final

from ngxloop.core.reactor import Reactor
from ngxloop.transports.pipe import PipeTransport

# No subclass of asyncio.WriteTransport at run time: __class__ answers one, for isinstance().
@final
class WritePipeTransport(PipeTransport, asyncio.WriteTransport):
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None: ...
    def is_reading(self) -> Never: ...
    def pause_reading(self) -> Never: ...
    def resume_reading(self) -> Never: ...
    @property
    def _buffer(self) -> bytes: ...

def connect_write_pipe(
    loop: Reactor,
    pipe: Any,
    protocol: asyncio.BaseProtocol,
    extra: dict[str, Any] | None,
    context: Context | None,
) -> WritePipeTransport: ...
