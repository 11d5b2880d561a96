"""A protocol class that answers each line with this process's id, and whether it leads."""

import asyncio
import os

from ngxloop.leader import is_leader


class Leading(asyncio.Protocol):
    """Asks on each line."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(f"{os.getpid()} {is_leader()}\n".encode())
