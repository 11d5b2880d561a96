"""FdWatching: everything at random, against a model."""

import contextlib
import os

from tests.core.watching import polls_while_idle
from tests.probes.poller import IN, OUT
from tests.support.loops import run_turns
from tests.support.randomness import printed_random
from tests.support.sockets import unix_pair


def test_random_changes_match_a_model(loop, probe):
    rng = printed_random()
    with contextlib.ExitStack() as stack:
        model = Model(loop, [stack.enter_context(unix_pair()) for _ in range(8)])
        stack.callback(model.close_kept)

        for _ in range(400):
            for _ in range(rng.randrange(4)):
                model.change(rng)
            model.seen.clear()
            run_turns(loop, 1)

            # every fd is writable, none is readable
            assert set(model.seen) == {fd for fd, mask in model.wanted.items() if mask & OUT}
            assert {fd: slot.interest for fd, slot in probe.slots().items()} == {
                fd: mask for fd, mask in model.wanted.items() if mask
            }
        for fd in model.wanted:
            model.remove(fd, reading=True)
            model.remove(fd, reading=False)
        assert polls_while_idle(loop) <= 4


class Model:
    """What is watched, by number of the file descriptor."""

    def __init__(self, loop, pairs) -> None:
        self.loop = loop
        self.peers = {ours.fileno(): peer for ours, peer in pairs}
        self.wanted = dict.fromkeys(self.peers, 0)
        self.seen: list[int] = []
        self.kept: list[int] = []  # duplicates of files whose numbers are others' by now

    def close_kept(self) -> None:
        for fd in self.kept:
            os.close(fd)

    def change(self, rng) -> None:
        """Add or remove one direction of one fd, or put another file under its number."""
        fd = rng.choice(list(self.wanted))
        reading = rng.random() < 0.5
        rng.choice([self.add, self.add, self.remove, self.remove, self.replace])(fd, reading)

    def add(self, fd: int, reading: bool) -> None:
        (self.loop.add_reader if reading else self.loop.add_writer)(fd, self.seen.append, fd)
        self.wanted[fd] |= IN if reading else OUT

    def remove(self, fd: int, reading: bool) -> None:
        mask = IN if reading else OUT
        removed = (self.loop.remove_reader if reading else self.loop.remove_writer)(fd)
        assert removed is bool(self.wanted[fd] & mask)
        self.wanted[fd] &= ~mask

    def replace(self, fd: int, reading: bool) -> None:
        """Add again what the fd was watched for, as the user of a new file does."""
        if reading:
            self.kept.append(os.dup(fd))
        with unix_pair() as (other, other_peer):
            os.dup2(other.fileno(), fd)
            os.dup2(other_peer.fileno(), self.peers[fd].fileno())
        for mask in (IN, OUT):
            if self.wanted[fd] & mask:
                self.add(fd, mask == IN)
