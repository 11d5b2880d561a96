"""The stress program: a few short runs, and that it reports what it is to report."""

import os
import subprocess
import sys

import pytest

from tests.support.processes import PROJECT

# Seconds until a run is ended: what it does alone takes the seconds that it is given, and clean-up.
TIME_LIMIT = 110

# One wrong deed each, as the body of an act, and what is said of it.
WRONG = {
    "a descriptor": ("os.pipe()", "descriptors are left"),
    "a task": (
        "act.world.kept = asyncio.ensure_future(asyncio.sleep(1000))",
        "tasks are left",
    ),
    "a thread": (
        "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()",
        "threads are left",
    ),
    "a child": ("subprocess.Popen(['true']).returncode = 0", "a child is left"),
    "a timer": ("act.loop.call_later(1000, print)", "timer_count is"),
    "a watched file": (
        "act.loop.add_reader(act.own(socket.socket()), print)",
        "connection_count is",
    ),
    "an exception that is not reported": ("act.world.provoke(act.name)", "was never reported"),
    "an exception that nobody provoked": ("act.loop.call_soon(int, 'x')", "invalid literal"),
    "a warning": ("warnings.warn('beware')", "beware"),
    "a life without an end": ("Life(act, 'client').made(None)", "connection_lost is missing"),
    "a protocol that is kept": (
        "act.world.protocols.add(protocol)",
        "1 protocols are kept alive",
    ),
    "wrong data": ("Life(act, 'client').received(b'wrong')", "wrong bytes at 0"),
}

PROGRAM = """
import asyncio, os, socket, subprocess, sys, threading, time, warnings
from tests.stress import __main__, acts, audit
from tests.stress.lives import Life, StreamEnd
audit.DEADLINE = 0.1
class Kept: pass
protocol = Kept()
async def wrong(act):
    {deed}
acts.ACTS["wrong"] = (1, wrong)
sys.argv = ["stress", "1", "--rounds", "1", "--seconds", "1", "--only", "wrong"]
sys.exit(__main__.main())
"""


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", *arguments],
        cwd=PROJECT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )


@pytest.mark.parametrize("seed", range(3))
def test_random_work_of_every_kind_leaves_nothing_wrong(seed):
    done = run("-m", "tests.stress", str(seed), "--seconds", "4")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing wrong" in done.stdout


@pytest.mark.parametrize("deed", WRONG)
def test_what_is_wrong_is_reported_with_its_seed(deed):
    source, said = WRONG[deed]

    done = run("-c", PROGRAM.format(deed=source))

    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stderr
    assert "seed 1, round 0" in done.stderr
