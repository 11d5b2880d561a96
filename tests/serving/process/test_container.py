"""As the first process of a container the master also reaps what is not its own."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.serving.support import DEADLINE, connect, receive_line

NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child"]


def has_namespaces():
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.complaint(16)
@pytest.mark.skipif(not has_namespaces(), reason="not allowed to make a process id namespace")
@pytest.mark.complaint(16)
def test_master_that_is_process_1_reaps_strays_and_ends_when_told(serve):
    server = serve("plain:orphan", wrapper=NAMESPACE).serving()
    assert "master[1] serving" in server.log
    (master,) = children(server.pid)
    wait_until(lambda: len(children(master)) == 1)  # the keeper has ended: nothing needs it
    (worker,) = children(master)
    for _ in range(10):
        with connect(server.address) as sock:
            assert receive_line(sock) == b"left\n"
    wait_until(lambda: children(master) == [worker])
    os.kill(master, signal.SIGTERM)
    assert server.ended() == 0


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition):
    """Look again and again: there is no event for somebody else's children."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()
