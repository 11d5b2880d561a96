"""How a process ended, in words."""

import os
import signal

import pytest

from ngxloop.serving.process.process import exit_reason


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda: os._exit(0), "exited with code 0"),
        (lambda: os._exit(7), "exited with code 7"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL"),
        (lambda: os.kill(os.getpid(), signal.SIGRTMIN + 3), "was killed by signal 37"),
    ],
)
def test_exit_reason_says_how_a_process_ended(end, reason):
    pid = os.fork()
    if pid == 0:
        end()
    assert exit_reason(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])) == reason
