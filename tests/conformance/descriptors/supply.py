"""Where the users of `taking.py` get their files from."""

import asyncio
import contextlib
import os
import socket
from typing import IO

# Numbers from here on are not the lowest free ones.
HIGH_NUMBER = 500


class Supply:
    """Make files; they get the lowest free numbers, or those in `numbers`, which are open."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stack: contextlib.ExitStack) -> None:
        self.loop = loop
        self.stack = stack
        self.numbers: list[int] = []  # to be taken over with dup2()
        self.stale: list[int] = []  # what was used and closed

    def place(self, fd: int) -> int:
        """Return the number for a new file: its own, or one that is taken over with dup2()."""
        if not self.numbers:
            return fd
        number = self.numbers.pop(0)
        os.dup2(fd, number)
        os.close(fd)
        return number

    def close_numbers(self) -> None:
        """Close what nothing has taken over."""
        while self.numbers:
            os.close(self.numbers.pop())

    def sock(self, made: socket.socket) -> socket.socket:
        """Return a non-blocking socket object of the number that a new socket gets."""
        placed = socket.socket(fileno=self.place(made.detach()))
        placed.setblocking(False)
        return self.stack.enter_context(placed)

    def file(self, fd: int, mode: str) -> IO[bytes]:
        return self.stack.enter_context(open(self.place(fd), mode, buffering=0))

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Return a socket of the number in question, and its peer."""
        ours, peer = socket.socketpair()
        peer.setblocking(False)
        return self.sock(ours), self.stack.enter_context(peer)

    def listener(self) -> socket.socket:
        return self.sock(socket.create_server(("127.0.0.1", 0)))

    def udp(self) -> socket.socket:
        sock = socket.socket(type=socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        return self.sock(sock)
