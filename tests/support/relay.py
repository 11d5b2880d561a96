"""A relay between two sockets that cuts what it carries into pieces of random size."""

import contextlib
import random
import socket


class Relay:
    """Carries bytes between two non-blocking sockets, a piece each step and direction."""

    def __init__(self, near: socket.socket, far: socket.socket, randomness: random.Random) -> None:
        self.randomness = randomness
        self.waiting = {near: bytearray(), far: bytearray()}  # by the socket they go to
        self.other = {near: far, far: near}
        self.ended: set[socket.socket] = set()  # those that have received the end of the stream

    def step(self) -> None:
        """Take what has come and send a piece of it on; ends are sent on behind the last piece."""
        for sock, target in self.other.items():
            self._receive(sock, self.waiting[target])
            self._send(target, self.waiting[target])
            if sock in self.ended and not self.waiting[target]:
                with contextlib.suppress(OSError):
                    target.shutdown(socket.SHUT_WR)

    def _receive(self, sock: socket.socket, waiting: bytearray) -> None:
        if sock in self.ended:
            return
        try:
            data = sock.recv(self.randomness.choice([1, 100, 5_000, 100_000]))
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        waiting += data
        if not data:
            self.ended.add(sock)

    def _send(self, sock: socket.socket, waiting: bytearray) -> None:
        size = self.randomness.choice([1, 5, 50, 3_000, 20_000, 200_000])
        try:
            del waiting[: sock.send(waiting[:size])]
        except BlockingIOError:
            return
        except ConnectionError:  # nobody is there any more
            waiting.clear()
