"""--daemon: the command ends when the workers serve, with their error if they do not."""

import os
import re
import signal
import subprocess

import pytest

from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import (
    APPS,
    command,
    connect,
    receive_line,
    run_to_end,
    wait_gone,
)


def run(tmp_path, *arguments, app="plain:Echo"):
    """Return the command's exit code, what it wrote, and the log of the daemon."""
    log = tmp_path / "error.log"
    given = [app, "--app-dir", str(APPS), "--bind", "127.0.0.1:0", f"--error-log={log}"]
    result = run_to_end(
        command(*given, "--daemon", *arguments),
        stdin=subprocess.DEVNULL,
    )
    return result.returncode, result.stdout + result.stderr, log.read_text()


@pytest.fixture
def end():
    """End a daemon, and see that it does."""
    pids = []
    yield pids.append
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
        wait_gone(pid)


def test_command_ends_when_the_daemon_serves(tmp_path, end):
    code, output, log = run(tmp_path)
    pid = int(re.search(r"master\[(\d+)\] serving", log)[1])
    end(pid)
    assert (code, output) == (ExitCode.OK, "")
    assert os.getsid(pid) == pid
    host, port = re.search(r"listening on ([\d.]+):(\d+),", log).groups()
    with connect((host, int(port))) as sock:
        assert receive_line(sock)
    for fd, target in ((0, "/dev/null"), (1, "/dev/null"), (2, f"{tmp_path}/error.log")):
        assert os.readlink(f"/proc/{pid}/fd/{fd}") == target
    # capture_output returned, so nothing of it holds the pipes of the command


def test_daemon_that_cannot_start_is_told_by_the_command(tmp_path):
    code, output, log = run(tmp_path, app="plain:nothing")
    assert code == ExitCode.NO_ATTRIBUTE
    assert output.startswith("ngxloop-serve: the module plain has no attribute 'nothing'")
    assert output in log


def test_daemon_that_is_killed_while_it_starts_is_told_by_the_exit_code(tmp_path):
    (tmp_path / "deadly.py").write_text("import os\nos.kill(os.getppid(), 9)\n")
    code, _, _ = run(tmp_path, "--app-dir", str(tmp_path), app="deadly:app")
    assert code == 128 + signal.SIGKILL


def test_wrong_option_is_told_before_there_is_a_daemon(tmp_path):
    (tmp_path / "error.log").touch()
    code, output, _ = run(tmp_path, "--workers", "0")
    assert code == ExitCode.USAGE
    assert output.startswith("ngxloop-serve: --workers: 0 is not a number of workers")
