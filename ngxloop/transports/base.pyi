import asyncio
import socket

from ngxloop.transports.transport import Transport

class SocketTransport(Transport):
    @property
    def _sock(self) -> socket.socket: ...
    @property
    def _sock_fd(self) -> int: ...
    @property
    def _server(self) -> asyncio.Server | None: ...
