"""add_reader and add_writer: on pipes, sockets and eventfds, with numbers that come again."""

import os
import socket

from tests.stress.pattern import is_piece, piece
from tests.stress.world import Act


class Watched:
    """A socketpair: one end is written by add_writer, the other is read by add_reader."""

    def __init__(self, act: Act) -> None:
        self.act = act
        self.near, self.far = socket.socketpair()
        for sock in (self.near, self.far):
            act.own(sock).setblocking(False)
        act.defer(self.forget)
        self.total = act.choose(1, 1_000, 50_000, 400_000)
        self.sent_count = 0
        self.received_count = 0
        self.may_raise = act.chance(0.2)

    async def forget(self) -> None:
        for sock in (self.near, self.far):
            if sock.fileno() != -1:
                self.act.loop.remove_reader(sock)
                self.act.loop.remove_writer(sock)

    def writable(self) -> None:
        data = piece(self.sent_count, min(65_536, self.total - self.sent_count))
        try:
            self.sent_count += self.near.send(data)
        except BlockingIOError:
            return
        if self.sent_count == self.total:
            self.act.loop.remove_writer(self.near)
        self.raise_sometimes()

    def readable(self) -> None:
        try:
            data = self.far.recv(self.act.choose(1, 1_000, 100_000, 100_000))
        except BlockingIOError:
            return
        self.act.check(is_piece(data, self.received_count), f"wrong at {self.received_count}")
        self.received_count += len(data)
        self.raise_sometimes()

    def raise_sometimes(self) -> None:
        if self.may_raise and self.act.chance(0.05):
            raise self.act.world.provoke(f"{self.act.name} callback")

    def change_something(self) -> None:
        """Replace or remove what watches, and put it back."""
        loop = self.act.loop
        if self.sent_count < self.total:
            loop.remove_writer(self.near)
            loop.add_writer(self.near, self.writable)
        if self.act.chance(0.5):
            loop.remove_reader(self.far)
        loop.add_reader(self.far, self.readable)


async def watch(act: Act) -> None:
    """Carry the pattern by callbacks."""
    watched = Watched(act)
    act.loop.add_reader(watched.far, watched.readable)
    act.loop.add_writer(watched.near, watched.writable)
    for _ in range(act.randomness.randrange(10)):
        await act.breathe()
        watched.change_something()
    await act.until(
        lambda: watched.received_count == watched.total,
        f"{watched.received_count} of {watched.total} bytes",
    )
    act.loop.remove_reader(watched.far)


async def reuse_numbers(act: Act) -> None:
    """Other files come under a number that is watched: by close() and by dup2()."""
    for _ in range(act.randomness.randrange(1, 20)):
        near, far = (act.own(sock) for sock in socket.socketpair())
        await hear(act, near, far)
        if act.chance(0.5):
            near_again, far = (act.own(sock) for sock in socket.socketpair())
            os.dup2(near_again.fileno(), near.fileno(), inheritable=False)
            near_again.close()
            await hear(act, near, far)
        act.loop.remove_reader(near)
        near.close()
        await act.breathe()


async def hear(act: Act, near: socket.socket, far: socket.socket) -> None:
    """Wait until a byte that the far end sends is heard of at the near end."""
    heard: list[int] = []
    number = near.fileno()

    async def forget() -> None:
        if near.fileno() == number:
            act.loop.remove_reader(near)

    act.defer(forget)
    act.loop.add_reader(near, heard.append, 1)
    far.send(b"x")
    await act.until(lambda: heard, f"a reader of the file under number {number}")


async def count_in_an_eventfd(act: Act) -> None:
    """Every write to an eventfd is heard of."""
    file = act.own(os.fdopen(os.eventfd(0, os.EFD_NONBLOCK), "r+b", buffering=0))
    counted = [0]

    def readable() -> None:
        counted[0] += os.eventfd_read(file.fileno())

    async def forget() -> None:
        act.loop.remove_reader(file)

    act.loop.add_reader(file, readable)
    act.defer(forget)
    total = 0
    for _ in range(act.randomness.randrange(1, 20)):
        value = act.randomness.randrange(1, 100)
        os.eventfd_write(file.fileno(), value)
        total += value
        await act.breathe()
    await act.until(lambda: counted[0] == total, f"{counted[0]} of {total} in the eventfd")
