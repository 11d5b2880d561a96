"""The status of a process that a hook has started in the master is left for that hook."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.serving.support import APPS, DEADLINE, children, connect, environment, receive_line
from tests.support.waiting import wait_until_blocking

NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child"]

# Each starts a process that ends with code 7; returns its id, and a function that waits for it.
STARTERS = {
    "Popen": """
        process = subprocess.Popen(["sh", "-c", "exit 7"])
        return process.pid, process.wait
    """,
    "Popen with preexec_fn": """
        process = subprocess.Popen(["sh", "-c", "exit 7"], preexec_fn=lambda: None)
        return process.pid, process.wait
    """,
    "Popen with preexec_fn that forks": """
        process = subprocess.Popen(["sh", "-c", "exit 7"], preexec_fn=fork_grandchild)
        return process.pid, process.wait
    """,
    "fork": """
        pid = os.fork()
        if pid == 0:
            os._exit(7)
        return pid, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    """,
    "forkpty": """
        pid, fd = os.forkpty()
        if pid == 0:
            os._exit(7)
        return pid, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    """,
    "posix_spawnp": """
        pid = os.posix_spawnp("sh", ["sh", "-c", "exit 7"], os.environ)
        return pid, lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    """,
    "multiprocessing": """
        process = multiprocessing.get_context("fork").Process(target=os._exit, args=(7,))
        process.start()
        return process.pid, lambda: (process.join(), process.exitcode)[1]
    """,
}

HOOKS = """
import multiprocessing, os, subprocess, sys


def fork_grandchild():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)

def start():
{start}

def on_bind(addresses):
    global wait
    pid, wait = start()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # it has ended, and was not waited for

def on_exit(code):
    print("hook saw", wait(), file=sys.stderr, flush=True)
"""


def can_unshare():
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


IS_PROCESS_1 = pytest.param(
    True,
    id="process 1",
    marks=pytest.mark.skipif(not can_unshare(), reason="no namespaces of process ids here"),
)


@pytest.mark.parametrize("is_process_1", [IS_PROCESS_1, pytest.param(False, id="preload")])
@pytest.mark.parametrize("starter", STARTERS)
def test_process_of_a_hook_keeps_its_status_and_strays_are_reaped(
    serve, tmp_path, starter, is_process_1
):
    start = textwrap.indent(textwrap.dedent(STARTERS[starter]), "    ")
    (tmp_path / "starting.py").write_text(HOOKS.format(start=start))
    (tmp_path / "leaving.py").write_text(
        f"import sys\nsys.path.append({str(APPS)!r})\nfrom plain import orphan\n"
    )
    options = ["leaving:orphan", "--hooks", "starting", "--app-dir", str(tmp_path)]
    if is_process_1:
        server = serve(*options, wrapper=NAMESPACE).serving()
        (master,) = children(server.pid)
    else:
        server = serve(*options, "--preload").serving()
        master = server.pid
    for _ in range(10):
        with connect(server.address) as sock:
            assert receive_line(sock) == b"left\n"
    wait_until_blocking(lambda: len(zombies(master)) == 1, "the end of all strays")
    os.kill(master, signal.SIGTERM)
    assert server.ended() == 0
    assert "hook saw 7\n" in server.log


MASTER = """
import contextlib, ctypes, os, subprocess, sys
from ngxloop.prefork import Config, Master

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
process = subprocess.Popen(["sh", "-c", "exit 7"])
os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
with contextlib.suppress(ValueError):
    subprocess.Popen.__init__(failed := subprocess.Popen.__new__(subprocess.Popen), ["a\\0"])
assert failed.pid is None
fork = os.fork
config = Config(app="plain:Echo", bind=["127.0.0.1:0"], app_dir=sys.argv[1], preload=True)

def end():
    assert os.fork is not fork
    master.quit()

master = Master(config, on_serving=end)
assert master.run() == 0
assert os.fork is fork
print("saw", process.wait())
"""


def test_process_that_a_program_has_started_before_its_master_keeps_its_status():
    done = subprocess.run(
        [sys.executable, "-c", MASTER, str(APPS)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=DEADLINE,
        check=False,
    )
    assert done.stdout == "saw 7\n", done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_starts_processes_without_the_master(serve, tmp_path):
    (tmp_path / "telling.py").write_text(
        "import os\n"
        "async def tell(reader, writer):\n"
        "    writer.write(f'{os.fork!r} {os.posix_spawn!r}\\n'.encode())\n"
        "    writer.close()\n"
    )
    for options in ([], ["--preload"]):
        server = serve("telling:tell", "--app-dir", str(tmp_path), *options).serving()
        with connect(server.address) as sock:
            told = receive_line(sock)
        assert told == b"<built-in function fork> <built-in function posix_spawn>\n"


def zombies(pid):
    """Return the children of a process that have ended and were not waited for."""
    states = {}
    for child in children(pid):
        try:
            stat = Path(f"/proc/{child}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        states[child] = stat.rpartition(")")[2].split()[0]
    return [child for child, state in states.items() if state == "Z"]
