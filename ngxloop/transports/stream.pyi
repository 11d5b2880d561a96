import asyncio
import socket
from asyncio.constants import _SendfileMode
from collections.abc import Iterable
from contextvars import Context
from typing import Any, Final, final

from ngxloop.core.reactor import Reactor
from ngxloop.transports.reading import ReadingTransport

# No subclass of asyncio.Transport at run time: __class__ answers one, so that isinstance() holds.
@final
class StreamTransport(ReadingTransport, asyncio.Transport):
    max_size: int
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None: ...
    _sendfile_compatible: Final[_SendfileMode]
    _start_tls_compatible: Final = True
    @property
    def _eof(self) -> bool: ...
    @property
    def _buffer(self) -> bytes: ...
    @property
    def _empty_waiter(self) -> asyncio.Future[None] | None: ...
    def _make_empty_waiter(self) -> asyncio.Future[None]: ...
    def _reset_empty_waiter(self) -> None: ...
    def _wait_writable(self) -> asyncio.Future[None]: ...

def connect_stream(
    loop: Reactor,
    sock: socket.socket,
    protocol: asyncio.BaseProtocol,
    extra: dict[str, Any] | None,
    server: asyncio.Server | None,
    context: Context | None,
) -> StreamTransport: ...
