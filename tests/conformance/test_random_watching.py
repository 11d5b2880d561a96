"""Watching at random: asyncio and ngxloop call the same callbacks in the same turns.

A program of changes is made from a seed and played to both loops, on sockets of the same state.
Changes are made between turns, and in turns: after the kernel's events were fetched and before
their callbacks run (call_soon runs there), and in those callbacks. The order of different fds
within one turn is the kernel's affair and not compared.
"""

import contextlib
import os
import random
import socket

from tests.support.loops import LOOPS
from tests.support.randomness import printed_random
from tests.support.sockets import drain, fill, unix_pair

FD_COUNT = 5
TURN_COUNT = 150
READ, WRITE = "read", "write"
BEHAVIOURS = ["nothing", "consume", "remove", "replace", "add_other", "remove_other"]


def test_random_changes_call_what_asyncio_calls():
    program_rng = printed_random()
    for _ in range(12):
        seed = program_rng.randrange(2**32)
        expected, seen = (play(factory(), seed) for factory in LOOPS.values())
        for turn, (theirs, ours) in enumerate(zip(expected, seen, strict=True)):
            assert ours == theirs, f"program {seed}, turn {turn}"


def play(loop, seed: int) -> list[list[str]]:
    """Run the program of a seed; return what was called in each turn."""
    rng = random.Random(seed)
    with contextlib.ExitStack() as stack:
        player = Player(loop, stack, rng)
        try:
            return [player.turn() for _ in range(TURN_COUNT)]
        finally:
            loop.close()


class Player:
    """The sockets of one run, and what is called on them."""

    def __init__(self, loop, stack: contextlib.ExitStack, rng: random.Random) -> None:
        self.loop = loop
        self.rng = rng
        self.pairs = [stack.enter_context(unix_pair()) for _ in range(FD_COUNT)]
        self.callback_counts = [0] * FD_COUNT  # the order of different fds must not show
        self.called: list[str] = []

    def turn(self) -> list[str]:
        """Change something, run one turn in which more changes; return who was called."""
        self.called = []
        for _ in range(self.rng.randrange(4)):
            self.change()
        for _ in range(self.rng.randrange(3)):
            self.loop.call_soon(self.change)
        self.loop.call_soon(self.loop.stop)
        self.loop.run_forever()
        return sorted(self.called)

    def change(self) -> None:
        index = self.rng.randrange(FD_COUNT)
        direction = self.rng.choice([READ, WRITE])
        behaviour = self.rng.choice(BEHAVIOURS)
        change = self.rng.choice(
            [
                self.add,
                self.add,
                self.remove,
                self.feed,
                self.consume,
                self.fill,
                self.room,
                self.end,
                self.reopen,
            ]
        )
        change(index, direction, behaviour)

    # ---- changes; each takes what it needs of (index, direction, behaviour)

    def add(self, index: int, direction: str, behaviour: str) -> None:
        self.callback_counts[index] += 1
        name = f"fd {index} callback {self.callback_counts[index]}: {direction} {behaviour}"
        add = self.loop.add_reader if direction == READ else self.loop.add_writer
        add(self.pairs[index][0], self.callback, name, index, direction, behaviour)

    def remove(self, index: int, direction: str, _: str = "") -> None:
        remove = self.loop.remove_reader if direction == READ else self.loop.remove_writer
        self.called.append(f"removed {index} {direction}: {remove(self.pairs[index][0])}")

    def feed(self, index: int, *_: str) -> None:
        with contextlib.suppress(OSError):
            self.pairs[index][1].send(b"xy")

    def consume(self, index: int, *_: str) -> None:
        drain(self.pairs[index][0])

    def fill(self, index: int, *_: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            fill(self.pairs[index][0])

    def room(self, index: int, *_: str) -> None:
        drain(self.pairs[index][1])

    def end(self, index: int, direction: str, _: str) -> None:
        """The peer ends one half of the connection."""
        self.pairs[index][1].shutdown(socket.SHUT_WR if direction == READ else socket.SHUT_RD)

    def reopen(self, index: int, direction: str, _: str) -> None:
        """Put a new connection under the same number, as its user does: removed before."""
        self.remove(index, READ)
        self.remove(index, WRITE)
        with unix_pair() as new:
            for old, fresh in zip(self.pairs[index], new, strict=True):
                os.dup2(fresh.fileno(), old.fileno())

    def callback(self, name: str, index: int, direction: str, behaviour: str) -> None:
        """Be called for one direction of one socket; touches no other."""
        self.called.append(name)
        other = WRITE if direction == READ else READ
        if behaviour == "consume":
            (self.consume if direction == READ else self.fill)(index)
        elif behaviour == "remove":
            self.remove(index, direction)
        elif behaviour == "replace":
            self.add(index, direction, "consume")
        elif behaviour == "add_other":
            self.add(index, other, "remove")
        elif behaviour == "remove_other":
            self.remove(index, other)
