"""Which descriptors the processes have that a master forks: what they need, and nothing else."""

import contextlib
import os
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.serving.support import (
    APPS,
    children,
    command,
    open_links,
    run_to_end,
    status_process,
    wait_for_status_process,
    wait_gone,
)
from tests.support.waiting import wait_until_blocking

# What each is for: input, output and errors, the log of requests, the addresses, the orders, the
# leader's lock (ngxloop/leader.py). The wakeup_fds of the scoreboard come in addition, as in the
# master.
INHERITED = Counter(
    {"null": 2, "error.log": 1, "access.log": 1, "listening": 2, "channel": 1, "leader": 1}
)
# The worker's own: its epoll and waker, the pipe for the signals of its loop, and one end of a pipe
# for its stacks.
WORKER = INHERITED + Counter({"eventpoll": 1, "wakeup_fd": 1, "pipe": 2, "master's pipe": 1})
LOADER = INHERITED - Counter({"listening": 2})  # which come with each worker
_NAMES = {"anon_inode:[eventpoll]": "eventpoll", "anon_inode:[eventfd]": "wakeup_fd"}
STATUS = Counter({"null": 2, "error.log": 1, "channel": 1, "listening": 1, "eventpoll": 1})


def forked(pid):
    """Return the children of a master, without the process that answers for the status."""
    return [one for one in children(pid) if one != status_process(pid)]


def workers_of(pid, count=2):
    """Wait for the end of the keeper, which is needed until it is known what APP is."""
    wait_until_blocking(lambda: len(forked(pid)) == count, "the end of the keeper")
    return forked(pid)


def title(pid):
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode()
    return ""


def kinds(pid, master):
    """Count what a process has open, by what it is for."""
    shared = set(open_links(master))

    def kind(target):
        if target.startswith("socket:"):
            return "listening" if target in shared else "channel"
        if target.startswith("pipe:"):
            return "master's pipe" if target in shared else "pipe"
        if "ngxloop-leader" in target:
            return "leader"
        return _NAMES.get(target, "null" if target == "/dev/null" else Path(target).name)

    found = Counter(kind(target) for target in open_links(pid))
    return found - Counter({"wakeup_fd": open_links(master).count("anon_inode:[eventfd]")})


@pytest.fixture
def master(tmp_path):
    """Start a daemon that has everything for which a master opens something; return its id."""
    pids = []

    def start(*options):
        given = [
            *("plain:Echo", "--app-dir", str(APPS), "--daemon", "--workers", "2"),
            *("--bind", "127.0.0.1:0", "--bind", f"unix:{tmp_path}/app.sock"),
            *("--status-bind", f"unix:{tmp_path}/status.sock"),
            *("--control-socket", str(tmp_path / "control.sock")),
            *("--pidfile", str(tmp_path / "app.pid")),
            *(f"--error-log={tmp_path}/error.log", f"--access-log={tmp_path}/access.log"),
        ]
        result = run_to_end(command(*given, *options))
        assert result.returncode == 0, result.stderr
        pids.append(int((tmp_path / "app.pid").read_text()))
        return pids[0]  # the command ends when it serves

    yield start
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
        wait_gone(pid)


def test_worker_has_what_it_needs_and_nothing_of_the_masters(master):
    pid = master()
    assert [kinds(one, pid) for one in workers_of(pid)] == [WORKER, WORKER]


def test_status_process_has_what_it_needs_and_nothing_of_the_masters(master):
    pid = master()
    process = wait_for_status_process(pid)
    wait_until_blocking(lambda: kinds(process, pid) == STATUS, "the status process")


def test_process_that_preloads_and_its_workers_have_no_more(master):
    pytest.importorskip("setproctitle")  # by which the processes are told apart
    pid = master("--preload")
    found = sorted((title(one), kinds(one, pid)) for one in workers_of(pid, 3))
    names = [name.split(" [")[0] for name, _ in found]
    assert names == ["ngxloop: preload 1", "ngxloop: worker 1.0", "ngxloop: worker 1.1"]
    assert [one for _, one in found] == [LOADER, WORKER, WORKER]


def test_process_that_watches_has_its_logs_only(master):
    pytest.importorskip("watchfiles")
    pid = master("--reload", "--preload")

    def has_what_it_needs():
        watchers = [kinds(one, pid) for one in forked(pid) if "watcher" in title(one)]
        shared = [{name: one[name] for name in one if name in INHERITED} for one in watchers]
        return shared == [{"null": 2, "error.log": 1, "access.log": 1}]

    wait_until_blocking(has_what_it_needs, "the watcher")


def test_successor_and_its_predecessor_leave_their_workers_no_line_between_them(master, tmp_path):
    pid = master()
    os.kill(pid, signal.SIGUSR2)
    wait_until_blocking(lambda: "the new master" in (tmp_path / "error.log").read_text(), "both")
    new = int((tmp_path / "app.pid").read_text())
    assert [kinds(one, new) for one in workers_of(new)] == [WORKER, WORKER]
    os.kill(new, signal.SIGTERM)
    wait_gone(new)
