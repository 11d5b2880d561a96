import asyncio

from ngxloop.transports.socket_transport import SocketTransport

class ReadingTransport(SocketTransport):
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...
