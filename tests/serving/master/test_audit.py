"""After a failure in the middle of a step, nothing is left half done."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

from ngxloop.serving.base.handlernames import HandlerName
from tests.serving.faulty_master import STEPS
from tests.serving.faulty_support import MANY, reloads, until, until_ready
from tests.serving.support import open_links, status_process


def children(pid):
    """Return the live children of a process."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.add(int(stat.parent.name))
    return found


def descriptor_count(pid):
    """Return how many descriptors a process has, but for wakeup_fds: more workers have had more."""
    return sum("[eventfd]" not in link for link in open_links(pid))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_order_to_end_that_raises_ends_the_master_all_the_same(start_faulty, number):
    master = start_faulty(())
    master.let_fail(HandlerName.ORDER, MANY)
    assert master.server.end(number) == 0


@pytest.mark.parametrize("step", STEPS)
def test_step_that_raises_leaves_nothing_half_done(start_faulty, step):
    """Workers die, the service is reloaded and scaled; in the end it is as it should be."""
    master = start_faulty(["--workers", "2", "--graceful-timeout", "1"])
    before = descriptor_count(master.server.pid)
    master.let_fail(step, 3)
    os.kill(master.server.worker_pids(1)[0], signal.SIGKILL)
    master.server.send(signal.SIGHUP)
    until(lambda: master.raised >= 1 or "reloaded" in master.server.read_log(), "something")
    for count in (3, 2):
        with contextlib.suppress(ConnectionResetError):
            master.command(command="scale", count=count)
    (master.folder / "plan").unlink()
    until_ready(master, 2)

    def is_settled():
        workers = master.status["workers"]
        is_right = [one["state"] for one in workers] == ["ready", "ready"]
        forked = children(master.server.pid) - {status_process(master.server.pid)}
        return is_right and forked == {one["pid"] for one in workers}

    until(is_settled, "two workers and no other child")
    master.server.send(signal.SIGHUP)
    reloads(master)
    until(is_settled, "two new workers and no other child")
    until(
        lambda: descriptor_count(master.server.pid) <= before + 1,
        "descriptors to be closed",
    )
    assert master.server.end() == 0
