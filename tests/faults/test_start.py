"""The master's start: a call that fails ends it with one clear line, or is got over.

Whichever it is, nothing is left behind: no process, and no file of a socket or pid file.
"""

import dataclasses
import errno
import mmap
import os
import re
import signal

import pytest

from tests.faults.injection import Rule
from tests.faults.running import LONG
from tests.faults.starting import start
from tests.serving.conftest import ours, serve  # noqa: F401 - fixtures
from tests.serving.support import (
    children,
    connect,
    http_get,
    receive_line,
    wait_gone,
)
from tests.support.addresses import free_address, free_bind
from tests.support.waiting import wait_until_blocking

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38

# The suite tries the first call of some; the long form all calls of all.
SOME = {
    "pipe2": "EMFILE",
    "epoll_create1": "EMFILE",
    "epoll_ctl_add": "ENOMEM",
    "listen": "EADDRINUSE",
    "fork": "EAGAIN",
    "prctl": "EPERM",
}
MORE = {
    "pipe2": "ENFILE",
    "epoll_ctl_add": "ENOSPC",
    "socket": "EMFILE ENOBUFS EACCES",
    "socketpair": "EMFILE ENOMEM",
    "bind": "EACCES ENOMEM",
    "fork": "ENOMEM",
    "eventfd": "EMFILE",
    "open": "EMFILE EACCES ENOSPC EROFS",
    "fcntl": "EMFILE EINVAL",
    "chmod": "EROFS",
    "mmap": "ENOMEM",
    "close": "EIO",
    "read": "EIO",
}
# In a worker with --user; prctl(PR_SET_NO_NEW_PRIVS) is the one that it cannot do without.
USER = ("setuid:EAGAIN:1", "setgid:EPERM:1", "setgroups:EPERM:1", "prctl:EPERM:1-")

TABLES = (SOME, MORE) if LONG else (SOME,)
FAULTS = [f"{call}:{error}" for table in TABLES for call in table for error in table[call].split()]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_while_master_starts_leaves_nothing_behind(board, tmp_path, fault):
    wrong, number, hit_count = [], 0, 0
    while number == hit_count:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        wrong += [f"{fault}:{number}: {one}" for one in start(board, folder, f"{fault}:{number}")]
        hit_count += board.hits()
        if not LONG:
            break
    assert not wrong, "\n".join(wrong)
    assert hit_count


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("fault", USER)
def test_worker_that_cannot_become_its_user_ends_the_start(board, ours, fault):  # noqa: F811
    wrong = start(board, ours, f"workers/{fault}", "--user", "nobody")
    assert not wrong, "\n".join(wrong)
    assert board.hits()


def test_process_without_signal_at_death_of_its_master_serves(serve, board, monkeypatch):  # noqa: F811
    monkeypatch.setenv("PORT", str(free_address()[1]))
    rule = Rule("prctl", errno.EPERM, argument=PR_SET_PDEATHSIG, last=2**64 - 1)
    options = ("--workers", "1", "--status-bind", free_bind())  # without --bind: it needs a keeper
    with board.armed(rule):
        server = serve("plain:Echo", *options, bind=None).serving()
        for who in ("worker ", r"status\[", r"keeper\["):
            wait_logged(server, who + ".*no signal at the death of the master")
    assert board.hits() == 4  # the worker asks twice: setuid() would undo it
    with connect(server.address) as sock:
        assert receive_line(sock)
    its = children(server.pid)
    assert len(its) >= 2  # the keeper has ended: no program uses it
    assert server.end(signal.SIGKILL) == -signal.SIGKILL
    wait_gone(*its)  # by the end of file on their lines


@pytest.mark.parametrize("fault", ["mprotect:ENOMEM", "prctl:EPERM"])
def test_status_process_that_keeps_its_rights_ends_and_is_started_again(serve, board, fault):  # noqa: F811
    """Before the first worker is forked; the scoreboard that it could write is the master's."""
    argument = {"mprotect": mmap.PROT_READ, "prctl": PR_SET_NO_NEW_PRIVS}[fault.split(":")[0]]
    rule = dataclasses.replace(Rule.parse(fault), argument=argument)
    with board.armed(rule):
        server = serve("plain:Echo", "--workers", "1", "--status-bind", free_bind()).serving()
        wait_logged(server, "the status process cannot drop its privileges: .*; it exits")
        wait_logged(server, r"the status process \(process \d+\) exited with code 7; respawned")
    assert board.hits() == 1
    host, _, port = server.status_address.rpartition(":")
    assert http_get((host, int(port)), "/healthz") == (200, b"ok\n")
    assert server.end() == 0
    assert "Traceback" not in server.log


def wait_logged(server, pattern):
    """Wait until the log has a line, wherever: the processes start side by side."""
    wait_until_blocking(lambda: re.search(pattern, server.read_log()), pattern)
