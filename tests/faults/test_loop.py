"""The loop and its transports: whatever call fails, a program ends in time and in order."""

import pytest

from tests.faults.injection import Rule
from tests.faults.running import LONG, explore, failures
from tests.faults.test_injection import run

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
        *("connect", "setsockopt", "getsockname", "recv", "recvmsg", "send"),
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
        *("getpeername", "recv", "recvmsg", "send"),
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
        *("connect", "getsockopt", "recv", "recv:short", "send", "send:EAGAIN", "epoll_ctl_mod"),
    ),
    "sendfile": ("epoll_ctl_add", "sendfile", "recv", "sendmsg"),
    # add_writer() is deferred while a reader waits: its error goes to the exception handler, and
    # nothing calls the writer (so no epoll_ctl_mod:ENOMEM:1). Its removal must not cost the reader.
    "watching": (
        *("epoll_ctl_add", "epoll_ctl_mod:ENOMEM:2", "epoll_wait", "epoll_pwait2", "socketpair"),
    ),
    "renewed_epoll": ("epoll_ctl_add", "epoll_create1") if LONG else ("epoll_ctl_add:ENOMEM",),
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


WRITE_EOF = """
import asyncio, socket, {loop}
async def main():
    loop = asyncio.get_running_loop()
    reported = loop.create_future()
    loop.set_exception_handler(lambda _, context: reported.set_result(context["exception"].errno))
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with theirs:
        _, writer = await asyncio.open_connection(sock=ours)
        writer.write(bytes({size}))
        try:
            writer.write_eof()
        except OSError as error:
            print("raised", error.errno)
        else:
            left = {size}
            while left:
                left -= len(await loop.sock_recv(theirs, left))
            print("reported", await asyncio.wait_for(reported, 30))
        print(writer.transport.is_closing())
        writer.close()
        await writer.wait_closed()
asyncio.Runner(loop_factory={loop}.new_event_loop).run(main())
"""


@pytest.mark.parametrize("loop", ["asyncio", "ngxloop"])
@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "raised"), (10, "raised"), (2_000_000, "reported")],
    ids=["nothing_to_send", "sent_at_once", "sent_later"],
)
def test_end_of_our_half_that_cannot_be_sent_is_told(loop, size, told):
    output, hits, _ = run(WRITE_EOF.format(loop=loop, size=size), Rule.parse("shutdown:ENOTCONN"))
    assert (output, hits) == (f"{told} 107\nFalse\n", [1])


TWO_WAITS = """
import asyncio, socket, ngxloop
async def main():
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        receiving = asyncio.ensure_future(loop.sock_recv(ours, 10))
        await asyncio.sleep(0)
        try:
            await asyncio.wait_for(loop.sock_sendall(ours, bytes(2_000_000)), 30)
        except OSError as error:
            print(error.errno)
        theirs.send(b"ping")
        print(await asyncio.wait_for(receiving, 30))
ngxloop.run(main())
"""


def test_wait_that_epoll_refuses_fails_alone():
    output, hits, _ = run(TWO_WAITS, Rule.parse("epoll_ctl_mod:ENOMEM"))
    assert (output, hits) == ("12\nb'ping'\n", [1])
