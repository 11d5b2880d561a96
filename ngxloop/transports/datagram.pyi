import asyncio
import socket
from contextvars import Context
from typing import Any, Never, final

from ngxloop.core.reactor import Reactor
from ngxloop.transports.datagram_sender import DatagramSender

# No subclass of asyncio's classes at run time: __class__ answers one, so that isinstance() holds.
@final
class DatagramTransport(DatagramSender):
    max_size: int
    def write(self, data: Any) -> Never: ...
    def writelines(self, list_of_data: Any) -> Never: ...
    def write_eof(self) -> Never: ...
    def can_write_eof(self) -> Never: ...

def connect_datagrams(
    loop: Reactor,
    sock: socket.socket,
    protocol: asyncio.DatagramProtocol,
    address: Any,
    extra: dict[str, Any] | None,
    context: Context | None,
) -> DatagramTransport: ...
