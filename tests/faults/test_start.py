"""The master's start: a call that fails ends it with one clear line, or is got over.

Whichever it is, nothing is left behind: no process, and no file of a socket or pid file.
"""

import pytest

from tests.faults.running import LONG
from tests.faults.starting import start

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
