"""An asyncio.Protocol class: a TCP echo server, the fastest kind of application.

ngxloop-serve echo_protocol:Echo --app-dir examples --workers 4 --bind 127.0.0.1:7007
nc 127.0.0.1 7007
"""

import asyncio


class Echo(asyncio.Protocol):
    """One instance for each connection."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, to answer on it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Send back what came."""
        self.transport.write(data)
