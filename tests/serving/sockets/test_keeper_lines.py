"""The lines to a keeper: hundreds at once, for one that has just begun or has read nothing yet."""

import contextlib
import os
import signal
import socket

import pytest

from ngxloop.serving.config.config import Config
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.process.message import MessageKind
from ngxloop.serving.process.poller import Poller
from ngxloop.serving.sockets.bindrequest import BindRequest
from ngxloop.serving.sockets.keeperprocesses import Children
from ngxloop.serving.sockets.keepers import Keepers
from tests.support.waiting import wait_until_blocking

LINE_COUNT = 400  # the queue of a channel has room for some 280 messages
LOCAL = BindRequest(int(socket.AF_INET), int(socket.SOCK_STREAM), ("127.0.0.1", 0), 1)


def go_on(pid):
    """Let a keeper that stops itself go on."""
    os.waitpid(pid, os.WUNTRACED)
    os.kill(pid, signal.SIGCONT)


class Lines:
    """Keepers as a master has them, and the ends of the lines that its workers would have."""

    def __init__(self):
        self.config = Config(app="server.py")
        self.config.prepare()
        self.poller = Poller()
        self.ended = {}
        self.is_next_stopped = False
        children = Children(self.ended.__setitem__, self.begin)
        self.keepers = Keepers(self.poller, children, lambda: None)
        self.ends = {}

    def begin(self):
        """Be a keeper that has just been forked, and gets no processor for a while perhaps."""
        self.poller.close()
        if self.is_next_stopped:
            os.kill(os.getpid(), signal.SIGSTOP)

    def open(self, count):
        for _ in range(count):
            number, end = self.keepers.open_line("w", 1, self.config, "", self.give, print)
            self.ends[number] = end

    def give(self, number, fd):
        """Take another end of a line."""
        self.ends[number].close()
        self.ends[number] = Channel.of(os.dup(fd))

    def turn(self):
        """Let the keepers be heard and their ends be noticed."""
        self.poller.wait(0.01)
        for pid, ended in list(self.ended.items()):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                del self.ended[pid]
                ended(os.waitstatus_to_exitcode(status))

    def can_bind(self, number):
        """Request a port over a line; False if it is not one to the keeper."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs, socket.socket() as offered:
            fds = [theirs.fileno(), offered.fileno()]
            if not self.ends[number].send(MessageKind.BIND, LOCAL.pack(), fds):
                return False
            theirs.close()
            return ours.recv(100) in (b"b", b"s")

    def wait_until_all_can_bind(self):
        """Let the master go on until every worker can bind."""
        left = set(self.ends)

        def can_all():
            self.turn()
            left.difference_update([number for number in left if self.can_bind(number)])
            return not left

        wait_until_blocking(can_all, "a line to the keeper for each worker")

    def close(self):
        self.keepers.close()
        for pid in self.ended:
            with contextlib.suppress(ChildProcessError):  # close() has reaped it
                os.waitpid(pid, 0)
        for end in self.ends.values():
            end.close()
        self.poller.close()


@pytest.fixture
def lines():
    made = Lines()
    yield made
    made.close()


def test_keeper_that_has_just_begun_gets_hundreds_of_lines(lines):
    lines.is_next_stopped = True
    lines.open(LINE_COUNT)
    (pid,) = lines.ended
    go_on(pid)
    lines.wait_until_all_can_bind()
    assert list(lines.ended) == [pid]


def test_keeper_that_replaces_one_gives_hundreds_of_workers_another_line(lines):
    lines.open(LINE_COUNT)
    lines.wait_until_all_can_bind()
    (first,) = lines.ended
    lines.is_next_stopped = True
    os.kill(first, signal.SIGKILL)
    wait_until_blocking(lambda: lines.turn() or first not in lines.ended, "the end of the keeper")
    wait_until_blocking(lambda: lines.turn() or lines.ended, "another keeper")
    (second,) = lines.ended
    go_on(second)
    lines.wait_until_all_can_bind()
    assert list(lines.ended) == [second]


def test_keeper_that_reads_nothing_hears_of_hundreds_of_ends_later(lines):
    lines.open(LINE_COUNT)
    lines.wait_until_all_can_bind()
    (pid,) = lines.ended
    before = len(os.listdir(f"/proc/{pid}/fd"))
    os.kill(pid, signal.SIGSTOP)
    for number in range(1, LINE_COUNT):
        lines.keepers.close_line(number)
    os.kill(pid, signal.SIGCONT)

    def has_closed():
        lines.turn()
        return len(os.listdir(f"/proc/{pid}/fd")) <= before - (LINE_COUNT - 1)

    wait_until_blocking(has_closed, "the end of the lines")
    assert list(lines.ended) == [pid]
