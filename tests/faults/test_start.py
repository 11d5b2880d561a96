"""The master's start: a call that fails ends it with one clear line, or is got over.

Whichever it is, nothing is left behind: no process, and no file of a socket or pid file.
"""

import errno
import os

import pytest

from tests.faults.injection import Rule
from tests.faults.running import LONG
from tests.faults.starting import start
from tests.serving.conftest import ours, serve  # noqa: F401 - fixtures

PR_SET_PDEATHSIG = 1

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


def test_worker_without_signal_at_death_of_its_master_serves(serve, board):  # noqa: F811
    rule = Rule("prctl", errno.EPERM, argument=PR_SET_PDEATHSIG, last=2**64 - 1)
    with board.armed(rule):
        server = serve("plain:Echo", "--workers", "1").serving()
    assert board.hits() == 1
    assert "no signal at the death of the master" in server.log
