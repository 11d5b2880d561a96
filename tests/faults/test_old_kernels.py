"""Kernels that lack a call, and sandboxes that forbid it: a fallback, or one clear error."""

import contextlib
import errno

import pytest

from tests.faults.injection import Rule
from tests.faults.running import explore, failures
from tests.faults.test_injection import run
from tests.serving.conftest import serve  # noqa: F401 - a fixture
from tests.serving.support import connect, receive_line

ALWAYS = "1-"


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
@pytest.mark.parametrize("scenario", ["tcp_echo", "udp_echo", "subprocess", "watching"])
def test_loop_without_epoll_pwait2_waits_by_epoll_wait(scenario, error):
    assert failures(explore(scenario, f"epoll_pwait2:{error}:{ALWAYS}")) == ""


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("epoll_pwait2", "epoll_pwait2"),
        ("pidfd_open", "pidfds"),
        ("recvmmsg", "recvmmsg"),
        ("sendmmsg", "sendmmsg"),
    ],
)
def test_stats_say_that_a_fast_path_is_lost_without_the_call(call, name, error):
    source = """
import asyncio, ngxloop

async def main():
    loop = asyncio.get_running_loop()
    before = loop.stats().fast_paths
    await asyncio.sleep(0.001)
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    received = loop.create_future()

    class Answering(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, address):
            self.transport.sendto(data, address)

    class Receiving(asyncio.DatagramProtocol):
        count = 0

        def datagram_received(self, data, address):
            self.count += 1
            if self.count == 2:
                received.set_result(None)

    answering, _ = await loop.create_datagram_endpoint(Answering, ("127.0.0.1", 0))
    address = answering.get_extra_info("sockname")
    sending, _ = await loop.create_datagram_endpoint(Receiving, remote_addr=address)
    sending.sendto(b"1")
    sending.sendto(b"2")
    await received
    sending.close()
    answering.close()
    print(*before - loop.stats().fast_paths)

ngxloop.run(main())
"""
    output, _, _ = run(source, Rule.parse(f"{call}:{error}:{ALWAYS}"))
    assert output == f"{name}\n"


def test_missing_epoll_pwait2_is_tried_once():
    source = """
import asyncio, ngxloop
async def main():
    for _ in range(5):
        await asyncio.sleep(0.001)
ngxloop.run(main())
"""
    output, _, counts = run(source, Rule.parse(f"epoll_pwait2:ENOSYS:{ALWAYS}"))
    assert output == ""
    assert counts["epoll_pwait2"] == 1
    assert counts["epoll_wait"] >= 5


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM", "EMFILE"])
def test_process_without_pidfd_is_waited_for_by_thread(error):
    assert failures(explore("subprocess", f"pidfd_open:{error}:{ALWAYS}")) == ""


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
@pytest.mark.parametrize("call", ["recvmmsg", "sendmmsg"])
def test_datagrams_pass_without_calls_for_many(call, error):
    assert failures(explore("udp_echo", f"{call}:{error}:{ALWAYS}")) == ""


@pytest.mark.parametrize(
    ("call", "error", "line"),
    [
        ("eventfd", "ENOSYS", "eventfd() failed: Function not implemented"),
        ("epoll_create1", "ENOSYS", "epoll_create1() failed: Function not implemented"),
        ("pipe2", "EPERM", "pipe2() failed: Operation not permitted"),
    ],
)
def test_loop_that_cannot_be_made_says_what_failed(call, error, line):
    source = """
import ngxloop
try:
    ngxloop.new_event_loop().run_forever()
except OSError as error:
    print(error.strerror)
"""
    output, hits, _ = run(source, Rule.parse(f"{call}:{error}:{ALWAYS}"))
    assert hits[0] >= 1
    assert output == line + "\n"


def test_listener_without_accept4_is_closed_with_one_report():
    source = """
import asyncio, ngxloop
async def main():
    loop = asyncio.get_running_loop()
    reported = loop.create_future()
    loop.set_exception_handler(lambda _, context: reported.set_result(context))
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    context = await asyncio.wait_for(reported, 30)
    print(context["message"], "-", context["exception"].strerror)
    writer.close()
    server.close()
ngxloop.run(main())
"""
    output, hits, _ = run(source, Rule.parse(f"accept4:ENOSYS:{ALWAYS}"))
    assert output.startswith("accept4() failed; the listener is closed - ")
    assert output.count("\n") == 1
    assert hits == [1]


EPOLLEXCLUSIVE = 1 << 28


@pytest.mark.parametrize("accept", ["fair", "exclusive"])
def test_server_without_epollexclusive_accepts_as_in_mode_plain(serve, board, accept):  # noqa: F811
    rule = Rule(
        "epoll_ctl_add",
        errno.EINVAL,
        last=2**64 - 1,
        argument=EPOLLEXCLUSIVE,
        argument_mask=EPOLLEXCLUSIVE,
    )
    with board.armed(rule):
        server = serve("plain:Echo", "--accept", accept).serving()
        for _ in range(3):
            with connect(server.address) as sock:
                assert receive_line(sock)
    assert board.hits() == 1


@pytest.mark.parametrize("error", ["ENOMEM", "ENOSPC"])
@pytest.mark.parametrize("accept", ["fair", "exclusive", "mutex", "plain"])
def test_worker_that_cannot_watch_its_listener_tries_again(serve, board, accept, error):  # noqa: F811
    server = serve("plain:Echo", "--accept", accept, "--workers", "1").serving()
    rule = Rule("epoll_ctl_add", getattr(errno, error), last=3, pid=-server.pid)
    with board.armed(rule):
        for _ in range(40):
            with contextlib.suppress(ConnectionError), connect(server.address) as sock:
                receive_line(sock)
            if board.hits() == 3:
                break
    assert board.hits() >= 1
    with connect(server.address) as sock:
        assert receive_line(sock)
