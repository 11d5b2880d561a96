"""A worker of nobody that does things at random harms other workers, and never root's master."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from tests.serving.support import DEADLINE
from tests.serving.test_intruder import KINDS, hostile, say
from tests.support.waiting import wait_until_blocking

__all__ = ["hostile"]  # a fixture

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

ROUNDS = int(os.environ.get("NGXLOOP_FUZZ_ROUNDS", "6"))
SEED = int(os.environ.get("NGXLOOP_FUZZ_SEED", "0")) or time.time_ns() % 2**32
LIMITS = ("--hang-timeout", "5", "--graceful-timeout", "5")  # of workers that are stopped
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


class Attacked:
    """A master whose workers do things at random."""

    def __init__(self, server, pid):
        self.server = server
        self.pid = pid

    def wait_until_it_serves(self):
        try:
            wait_until_blocking(self._answers, "an answer of a worker", DEADLINE)
        except TimeoutError as error:
            raise AssertionError(self.server.read_log()) from error

    def survive(self):
        """Attack again and again; the same process serves, has handled all, and leaks nothing."""
        before = len(os.listdir(f"/proc/{self.pid}/fd"))
        for number in range(ROUNDS):
            seed = SEED + number
            print(f"seed {seed}")
            self._say(b"fuzz %d\n" % seed)
            self.wait_until_it_serves()
        wait_until_blocking(
            lambda: len(os.listdir(f"/proc/{self.pid}/fd")) <= before + 4,  # of a worker that ends
            "the descriptors of workers that were replaced",
        )
        log = self.server.read_log()
        assert "the handler" not in log  # an exception in the master, see failures.py
        assert [line for line in log.split("\n") if CONTROLS.search(line)] == []
        assert len(os.listdir(f"/proc/{self.pid}/task")) == 1
        fields = Path(f"/proc/{self.pid}/status").read_text()
        assert re.search(r"^Uid:\t0\t0\t0\t0$", fields, re.MULTILINE)

    def _address(self):
        """Return the newest: port 0 is another port if no process has the socket any more."""
        self.server.read_log()
        host, port = re.findall(r"listening on ([0-9.]+):([0-9]+)", self.server.log)[-1]
        return host, int(port)

    def _answers(self):
        return self._say(b"look\n") is not None

    def _say(self, line):
        try:
            return say(self._address(), line)
        except (OSError, ValueError):  # a listener was shut down, or random bytes were sent to us
            return None


@pytest.mark.parametrize("kind", ["application", "stream handler", "main", "script"])
def test_master_survives_random_attacks(hostile, kind):
    app, *options = KINDS[kind]
    server = hostile(app, *options, *LIMITS)
    Attacked(server, server.pid).survive()
    assert server.end() == 0


@pytest.mark.parametrize("kind", ["application", "main"])
def test_master_that_preloads_survives_random_attacks(hostile, kind):
    app, *options = KINDS[kind]
    server = hostile(app, *options, *LIMITS, "--preload")
    Attacked(server, server.pid).survive()
    assert server.end() == 0


@pytest.mark.parametrize("kind", ["application", "main"])
def test_master_that_has_reloaded_survives_random_attacks(hostile, kind):
    app, *options = KINDS[kind]
    server = hostile(app, *options, *LIMITS)
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves")
    Attacked(server, server.pid).survive()
    assert server.end() == 0
