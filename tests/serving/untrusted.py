"""What tests share of a master that is root and is given what others can write."""

import signal
import sys
from pathlib import Path

import ngxloop
from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import APPS

NOBODY = 65534
ROOT = Path(ngxloop.__file__).parent.parent
MODULE = [sys.executable, "-m", "ngxloop.cli"]
SAFE = [sys.executable, "-P", "-m", "ngxloop.cli"]
SERVE = ["process_state:State", "--app-dir", str(APPS), "--bind", "127.0.0.1:0"]
AS_NOBODY = ["--user", "nobody"]


def evil(folder, name="hooks_of_ops.py"):
    """Write a module that leaves a mark if root runs it."""
    mark = folder / "was-root"
    (folder / name).write_text(
        f"import os\nif os.geteuid() == 0:\n    open({str(mark)!r}, 'w').close()\n"
        "def on_reload(): ...\n"
    )
    return mark


def refusal(server, code=ExitCode.USAGE):
    """Wait for the end; return the only line."""
    assert server.ended() == code
    (line,) = server.log.splitlines()
    assert "with --user, the master uses only what root alone can write: " in line
    return line


def refuses_reload(server, words):
    server.send(signal.SIGHUP)
    server.logged("reload failed: generation 1 goes on serving")
    assert words in server.log
