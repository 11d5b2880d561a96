"""ClientConnections: when the short way is taken, and that it leaves nothing behind."""

import asyncio
import contextlib
import os
import socket
import types

import pytest

from ngxloop import EventLoop
from ngxloop.aio import connections
from ngxloop.aio.connections import HOOKS
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import receive_until_eof, tcp_listener
from tests.support.syscalls import calls_between_marks, needs_strace

CONNECTS = """
    import asyncio, os, socket, ngxloop

    listener = socket.create_server(("127.0.0.1", 0))
    {before}

    async def main():
        loop = asyncio.get_running_loop()
        {within}
        os.getppid()
        for _ in range(10):
            transport, _ = await loop.create_connection(
                asyncio.Protocol, {host!r}, listener.getsockname()[1]{options}
            )
            transport.abort()
            await asyncio.sleep(0.001)
        os.getppid()

    ngxloop.run(main(), debug={debug})
"""
PLAIN = {"before": "", "within": "", "options": "", "debug": False, "host": "127.0.0.1"}
# 0.0.0.0 leads to loopback as well, but one cannot tell by the address.
STEPS = ("epoll_ctl", "connect", "ioctl", "getsockopt", "getpeername")


@needs_strace
def test_a_connection_to_loopback_is_made_at_once_and_costs_one_epoll_ctl():
    calls = calls_between_marks(CONNECTS.format(**PLAIN), *STEPS)

    assert calls == {"connect": 20, "epoll_ctl": 10}


@needs_strace
def test_a_connection_in_the_background_costs_one_epoll_ctl():
    calls = calls_between_marks(CONNECTS.format(**PLAIN | {"host": "0.0.0.0"}), *STEPS)

    assert calls == {"connect": 10, "epoll_ctl": 10, "getsockopt": 10, "getpeername": 10}


@needs_strace
@pytest.mark.parametrize(
    "change",
    [
        {"debug": True},
        {"options": ", family=socket.AF_INET"},
        {"before": "socket.socket.connect = lambda s, a, f=socket.socket.connect: f(s, a)"},
        {"before": "socket.socket = type('Watched', (socket.socket,), {})"},
    ],
    ids=["debug_mode", "option", "connect_replaced", "socket_replaced"],
)
def test_asyncios_way_is_taken_with(change):
    calls = calls_between_marks(CONNECTS.format(**PLAIN | change), "epoll_ctl", "connect")

    assert calls["connect"] == 10
    assert calls["epoll_ctl"] > 20


def connect(loop):
    """Connect and close."""

    async def main():
        with tcp_listener() as listener:
            transport, protocol = await loop.create_connection(
                RecordingProtocol, *listener.getsockname()
            )
            transport.close()
            await protocol.closed

    loop.run_until_complete(main())


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("place", ["instance", "class", "subclass"])
def test_a_loop_with_a_hook_replaced_goes_asyncios_way(monkeypatch, hook, place):
    original = getattr(EventLoop, hook)

    def replacement(self, *args, **kwargs):
        return original(self, *args, **kwargs)

    monkeypatch.setattr(connections, "connect_begin", pytest.fail)

    loop_class = type("Loop", (EventLoop,), {}) if place == "subclass" else EventLoop
    with contextlib.closing(loop_class()) as loop:
        if place == "instance":
            setattr(loop, hook, types.MethodType(replacement, loop))
        else:
            monkeypatch.setattr(loop_class, hook, replacement)
        connect(loop)


def test_a_factory_that_raises_closes_the_connection(loop):
    async def main():
        with tcp_listener() as listener:
            with pytest.raises(ZeroDivisionError):
                await loop.create_connection(lambda: 1 / 0, *listener.getsockname())
            with listener.accept()[0] as accepted:
                accepted.setblocking(False)
                return await receive_until_eof(accepted)

    assert loop.run_until_complete(main()) == b""


@contextlib.contextmanager
def hanging_connect(loop):
    """Give the task of a connect that does not end, and the number of its fd."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        before = set(os.listdir("/proc/self/fd"))
        task = loop.create_task(loop.create_connection(RecordingProtocol, *listener.getsockname()))
        loop.call_soon(loop.stop)
        loop.run_forever()
        (fd,) = [int(fd) for fd in set(os.listdir("/proc/self/fd")) - before if is_socket(fd)]
        yield task, fd


def is_socket(fd: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.readlink(f"/proc/self/fd/{fd}").startswith("socket:")
    return False


def is_open(fd: int) -> bool:
    return os.path.exists(f"/proc/self/fd/{fd}")


def test_a_connect_that_hangs_is_cancelled_and_closes_its_fd(loop):
    with hanging_connect(loop) as (task, fd):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)

        assert not is_open(fd)


def test_a_connect_that_hangs_when_the_loop_closes_closes_its_fd(loop):
    with hanging_connect(loop) as (task, fd):
        task._log_destroy_pending = False
        loop.close()

        assert not is_open(fd)


def test_nobody_else_may_watch_the_fd_of_a_connect_that_hangs(loop):
    with hanging_connect(loop) as (task, fd):
        with pytest.raises(RuntimeError, match=r"is used by transport <.*Connecting fd="):
            loop.add_writer(fd, print)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
