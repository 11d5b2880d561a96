"""A program of a user who checks types strictly: datagrams, unix sockets, files, signals.

Never run, only read by type checkers. A line with `type: ignore` must be an error: mypy tells if it
is none.
"""

import asyncio
import signal
import socket
from typing import Any, assert_type

import ngxloop


class Echo(asyncio.DatagramProtocol):
    """Send back what arrives."""

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.transport.sendto(data, addr)


class Client(asyncio.Protocol):
    """Receive nothing in particular."""


async def datagrams(loop: ngxloop.EventLoop) -> None:
    transport, protocol = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    assert_type(transport, asyncio.DatagramTransport)
    assert_type(protocol, Echo)


async def unix_sockets(loop: ngxloop.EventLoop) -> None:
    transport, protocol = await loop.create_unix_connection(Client, "/run/socket")
    assert_type(transport, asyncio.Transport)
    assert_type(protocol, Client)
    server = await loop.create_unix_server(Client, "/run/socket")
    assert_type(server, asyncio.Server)


async def files(loop: ngxloop.EventLoop, sock: socket.socket) -> None:
    loop.add_reader(sock, print, "readable")
    loop.add_reader(sock.fileno(), print)
    loop.add_reader("path", print)  # type: ignore[arg-type]
    assert_type(loop.remove_reader(sock), bool)
    assert_type(await loop.sock_recv(sock, 100), bytes)


def signals(loop: ngxloop.EventLoop) -> None:
    loop.add_signal_handler(signal.SIGTERM, loop.stop)
    assert_type(loop.remove_signal_handler(signal.SIGTERM), bool)
