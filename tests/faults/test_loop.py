"""The loop and its transports: whatever call fails, a program ends in time and in order."""

import pytest

from tests.faults.running import LONG, explore, failures

# After these a listener rests for a second, each time.
ACCEPT = ("accept4",) if LONG else ("accept4:EMFILE:1", "accept4:ECONNABORTED", "accept4:EAGAIN")
STREAM = (
    *("epoll_ctl_add", "epoll_ctl_del", "epoll_wait", "epoll_pwait2"),
    *("socket", "bind", "listen", *ACCEPT),
)

# The faults of each scenario: CALL for all errors of errors.py, CALL:ERRNO for one.
FAULTS: dict[str, tuple[str, ...]] = {
    "tcp_echo": (
        *STREAM,
        *("connect", "setsockopt", "getsockname", "recv", "recvmsg", "send", "sendmsg"),
        "send:EAGAIN:1",
    ),
    "tcp_protocols": ("epoll_ctl_add", "recv", "send", "sendmsg", "setsockopt"),
    "tls_echo": (
        *("epoll_ctl_add", "epoll_pwait2", "socket", "accept4:EAGAIN"),
        *("connect", "setsockopt", "getpeername", "recv", "send", "sendmsg"),
        "send:EAGAIN:1",
    ),
    "unix_echo": (
        *("epoll_ctl_add", "epoll_ctl_mod", "socket", "bind", "accept4:EAGAIN"),
        *("getpeername", "recv", "recvmsg", "send", "sendmsg"),
    ),
    "udp_echo": (
        *("epoll_ctl_add", "epoll_pwait2", "socket", "bind", "connect:ENETUNREACH"),
        *("getsockname", "getpeername", "sendto", "recvmmsg", "sendmmsg"),
    ),
    "pipes": (
        *("epoll_ctl_add", "epoll_ctl_mod", "epoll_pwait2", "pipe2"),
        *("read", "write", "writev", "write:EAGAIN:1"),
    ),
    "subprocess": (
        *("epoll_ctl_add", "epoll_ctl_mod", "epoll_pwait2", "pipe2", "fork", "pidfd_open", "write"),
        *("read:EINTR", "read:EIO:2", "read:EIO:3", "waitid:EINTR"),
    ),
    "sock_calls": (
        *("epoll_ctl_add", "epoll_pwait2", "socket", "accept4:EMFILE", "accept4:EINTR"),
        *("connect", "getsockopt", "recv", "recv:short", "send", "send:EAGAIN"),
    ),
    "sendfile": ("epoll_ctl_add", "sendfile", "recv", "sendmsg"),
    "watching": ("epoll_ctl_add", "epoll_wait", "epoll_pwait2", "socketpair"),
    "threads_and_signals": ("epoll_wait", "epoll_pwait2"),
    "nothing": ("epoll_create1", "epoll_ctl_add", "eventfd", "pipe2", "close"),
}

# In the suite one process tries all faults of a scenario; in the long form each has its own, so
# that a crash hides no other.
CASES = [
    (scenario, faults)
    for scenario, all_faults in FAULTS.items()
    for faults in ([(fault,) for fault in all_faults] if LONG else [all_faults])
]


def _id(value: object) -> str:
    return value if isinstance(value, str) else value[0] if len(value) == 1 else "all"


@pytest.mark.parametrize(("scenario", "faults"), CASES, ids=_id)
def test_fault_in_loop_is_contained(scenario, faults):
    assert failures(explore(scenario, *faults)) == ""


@pytest.mark.parametrize("scenario", [name for name in FAULTS if name != "nothing"])
def test_scenario_is_complete_on_asyncio_undisturbed(scenario):
    outcome = explore(scenario, loop="asyncio")
    assert failures(outcome) == ""


@pytest.mark.parametrize("seed", range(20) if LONG else [])
@pytest.mark.parametrize(
    ("scenario", "call"),
    [
        (scenario, fault)
        for scenario, faults in FAULTS.items()
        for fault in faults
        if fault in {"recv", "send", "sendmsg", "recvmmsg", "sendmmsg", "read", "write", "writev"}
    ],
)
def test_many_interrupted_calls_are_not_noticed(scenario, call, seed):
    assert failures(explore(scenario, f"{call}:EINTR:1-%20/{seed}")) == ""
