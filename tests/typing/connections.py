"""Servers and clients, as a user who checks types strictly writes them; see running.py."""

import asyncio
from typing import assert_type

import ngxloop
from ngxloop.transports.stream import StreamTransport


class Echo(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def is_paused(transport: StreamTransport) -> bool:
    public: asyncio.Transport = transport
    public.write("text")  # type: ignore[arg-type]
    return not transport.is_reading()


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    assert_type(server, asyncio.Server)
    async with server:
        host, port = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Echo, host, port)
        assert_type(transport, asyncio.Transport)
        assert_type(protocol, Echo)
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"hello")
        assert_type(await reader.readexactly(5), bytes)


ngxloop.run(main())
