import asyncio
from typing import Any

from ngxloop.transports.socket_transport import SocketTransport

class DatagramSender(SocketTransport, asyncio.DatagramTransport):
    def get_write_buffer_size(self) -> int: ...
    def _send_again(self) -> None: ...
    @property
    def _address(self) -> Any: ...
