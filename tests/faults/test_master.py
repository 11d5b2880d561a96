"""The master: once it serves, no failing call ends it, and afterwards all is as before."""

import os

import pytest

from tests.faults.master import Master, disturb
from tests.faults.running import LONG
from tests.serving.conftest import serve  # noqa: F401 - a fixture

# "ACTION CALL:ERRNO:N": one combination by hand, as the failure message names it.
ONLY = os.environ.get("FAULTS_ONLY", "").split()

SESSION = (
    *("accept4:EMFILE", "accept4:ENOMEM", "accept4:ECONNABORTED", "accept4:EINTR"),
    *("epoll_ctl_add:ENOMEM", "epoll_ctl_add:ENOSPC", "epoll_ctl_mod:ENOMEM"),
    *("epoll_ctl_del:ENOMEM", "recv:ECONNRESET", "recv:ENOMEM", "recv:EINTR"),
    *("send:EPIPE", "send:ENOBUFS", "send:EINTR", "send:short", "shutdown:ENOTCONN"),
    "epoll_wait:EINTR",
)
# A process is started: these cost a second each, so the suite tries one error of each call.
FORKING = ("fork:EAGAIN", "socketpair:EMFILE", "epoll_ctl_add:ENOMEM", "recvmsg:ENOMEM")
FORKING_MORE = ("fork:ENOMEM", "socketpair:ENOMEM", "recvmsg:ECONNRESET", "epoll_wait:EINTR")
FAULTS = {
    "ask_status": SESSION,
    "ask_control": SESSION,
    "respawn": FORKING + LONG * FORKING_MORE,
    "reload": (*FORKING, *LONG * (*FORKING_MORE, "sendmsg:ENOBUFS")),
    "upgrade": ("fork:EAGAIN", "pipe2:EMFILE", "epoll_ctl_add:ENOMEM"),
}
DEPTH = 50 if LONG else 2


@pytest.mark.timeout(600)
@pytest.mark.parametrize("action", FAULTS)
def test_fault_in_master_is_contained(serve, board, tmp_path, action):  # noqa: F811
    faults = list(FAULTS[action])
    if ONLY:
        faults = [fault for name, fault in [ONLY] if name == action] or pytest.skip("not asked for")
    made = []

    def make():
        made.append(None)
        return Master(serve, board, tmp_path / f"control{len(made)}")

    wrong = disturb(make, action, faults, DEPTH)
    assert not wrong, "\n".join(wrong)
