"""The service under orders and kills: a short run, and that it reports what is wrong."""

import subprocess
import sys

import pytest

from tests.stress.service.clients import Clients, Kills
from tests.support.processes import PROJECT

TIME_LIMIT = 280


@pytest.mark.timeout(TIME_LIMIT + 20)
def test_service_loses_no_request_but_those_of_killed_workers():
    counts = ("--hups", "2", "--upgrades", "1", "--kills", "4", "--scales", "2")
    program = [sys.executable, "-m", "tests.stress.service", "1", *counts]
    done = subprocess.run(
        program, cwd=PROJECT, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failures\n" in done.stdout


@pytest.mark.parametrize(
    ("killed", "worker", "failures"),
    [(7, 7, 0), (7, 8, 1), (7, 0, 0), (None, 0, 1)],
    ids=["its worker", "another worker", "not known", "none killed"],
)
def test_request_may_fail_in_a_killed_worker_only(killed, worker, failures):
    kills = Kills()
    if killed is not None:
        kills.note(killed)
    clients = Clients("127.0.0.1", 1, kills)
    clients._note(worker, 0.0, ConnectionResetError("reset"))
    assert len(clients.failures) == failures
    assert clients.excused_count == 1 - failures


def test_request_that_is_never_answered_has_failed():
    kills = Kills()
    kills.note(7)
    clients = Clients("127.0.0.1", 1, kills)
    clients._note(7, 0.0, TimeoutError("late"))
    assert len(clients.failures) == 1
