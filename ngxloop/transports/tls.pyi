import asyncio
import ssl
from asyncio.constants import _SendfileMode
from collections.abc import Iterable
from typing import Any, Final, final

from ngxloop.core.reactor import Reactor
from ngxloop.transports.flow import FlowControl
from ngxloop.transports.tlslayer import TlsLayer
from ngxloop.transports.tlsmemory import TlsMemory

# No subclass of asyncio.Transport at run time: __class__ answers one, so that isinstance() holds.
@final
class TlsTransport(FlowControl, asyncio.Transport):
    _sendfile_compatible: Final[_SendfileMode]
    _start_tls_compatible: Final = True
    def __del__(self) -> None: ...
    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None: ...
    def get_read_buffer_limits(self) -> tuple[int, int]: ...
    def set_read_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...
    def get_read_buffer_size(self) -> int: ...
    def _force_close(self, exc: BaseException | None) -> None: ...
    @property
    def _ssl_protocol(self) -> TlsLayer: ...
    @property
    def _closed(self) -> bool: ...
    def _test__append_write_backlog(self, data: bytes) -> None: ...

def open_tls(
    loop: Reactor,
    memory: TlsMemory,
    protocol: asyncio.BaseProtocol,
    sslcontext: ssl.SSLContext,
    waiter: asyncio.Future[None] | None,
    *,
    server_side: bool,
    server_hostname: str | None,
    handshake_timeout: float,
    shutdown_timeout: float,
    call_connection_made: bool = True,
) -> TlsTransport: ...
