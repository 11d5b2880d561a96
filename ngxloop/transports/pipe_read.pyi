import asyncio
from contextvars import Context
from typing import Any, final

from ngxloop.core.reactor import Reactor
from ngxloop.transports.pipe import PipeTransport

# No subclass of asyncio.ReadTransport at run time: __class__ answers one, for isinstance().
@final
class ReadPipeTransport(PipeTransport, asyncio.ReadTransport):
    max_size: int

def connect_read_pipe(
    loop: Reactor,
    pipe: Any,
    protocol: asyncio.BaseProtocol,
    extra: dict[str, Any] | None,
    context: Context | None,
) -> ReadPipeTransport: ...
