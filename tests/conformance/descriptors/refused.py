"""What cannot be watched: objects with an invalid fileno(), and files that epoll refuses."""

import asyncio
import os
import socket

# What fileno() of an object gives -> the exception of a call that waits for it.
WRONG_NUMBERS = {
    "minus one": (-1, ValueError),
    "minus two": (-2, ValueError),
    "the least int": (-(2**31), ValueError),
    "a number nothing has": (2**20, OSError),
    "a number so high that no table holds it": (2**30, OSError),
    "the highest int": (2**31 - 1, OSError),
    "one more than an int": (2**31, OverflowError),
    "one more than a long": (2**63, OverflowError),
    "a string": ("3", ValueError),
    "a float": (2.5, ValueError),
    "None": (None, ValueError),
}

UNWATCHABLE = {
    "a regular file": lambda: os.open(__file__, os.O_RDONLY),
    "a folder": lambda: os.open("/", os.O_RDONLY),
    "/dev/null": lambda: os.open("/dev/null", os.O_RDWR),
}


class LyingSocket(socket.socket):
    """A socket that returns another number from fileno() when told to."""

    lie = ()

    def fileno(self):
        return self.lie[0] if self.lie else super().fileno()


class LyingFile:
    """A file that returns something else than a number from fileno()."""

    def __init__(self, number):
        self.number = number

    def fileno(self):
        return self.number

    def close(self):
        pass


# The method -> how it is called so that it waits for the socket.
WAITS = {
    "sock_recv": lambda loop, sock: loop.sock_recv(sock, 10),
    "sock_recv_into": lambda loop, sock: loop.sock_recv_into(sock, bytearray(10)),
    "sock_recvfrom": lambda loop, sock: loop.sock_recvfrom(sock, 10),
    "sock_recvfrom_into": lambda loop, sock: loop.sock_recvfrom_into(sock, bytearray(10)),
    "sock_sendall": lambda loop, sock: loop.sock_sendall(sock, b"x"),
}

TAKES_OVER = {
    "create_connection": lambda loop, sock: loop.create_connection(asyncio.Protocol, sock=sock),
    "connect_accepted_socket": lambda loop, sock: loop.connect_accepted_socket(
        asyncio.Protocol, sock
    ),
}

PIPES = {
    "connect_read_pipe": lambda loop, pipe: loop.connect_read_pipe(asyncio.Protocol, pipe),
    "connect_write_pipe": lambda loop, pipe: loop.connect_write_pipe(asyncio.Protocol, pipe),
}
