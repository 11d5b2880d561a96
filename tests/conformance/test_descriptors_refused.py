"""Descriptors that are none, or that epoll refuses: see tests.conformance.descriptors.refused."""

import asyncio
import contextlib
import os
import socket

import pytest

from tests.conformance.descriptors.before import BEFORE, STALE_ON_ASYNCIO
from tests.conformance.descriptors.refused import (
    PIPES,
    TAKES_OVER,
    UNWATCHABLE,
    WAITS,
    WRONG_NUMBERS,
    LyingFile,
    LyingSocket,
)
from tests.conformance.descriptors.supply import Supply
from tests.support.loops import is_stdlib
from tests.support.sockets import fill
from tests.support.waiting import turns

# Seconds; nothing here waits for others.
PATIENCE = 5.0


@contextlib.contextmanager
def lying_socket(lie):
    """Give a connected socket on which nothing can be received or sent now."""
    ours, peer = socket.socketpair()
    with LyingSocket(fileno=ours.detach()) as sock, peer:
        sock.setblocking(False)
        fill(sock)
        sock.lie = (lie,)
        yield sock
        sock.lie = ()


@pytest.mark.parametrize("method", WAITS)
@pytest.mark.parametrize("number", WRONG_NUMBERS)
async def test_a_socket_whose_fileno_is_wrong_is_not_waited_for(number, method):
    loop = asyncio.get_running_loop()
    lie, expected = WRONG_NUMBERS[number]

    with lying_socket(lie) as sock, pytest.raises(expected):
        await asyncio.wait_for(WAITS[method](loop, sock), PATIENCE)


@pytest.mark.parametrize("method", TAKES_OVER)
@pytest.mark.parametrize("number", WRONG_NUMBERS)
async def test_a_socket_whose_fileno_is_wrong_gets_no_transport(number, method):
    loop = asyncio.get_running_loop()
    if is_stdlib(loop):
        pytest.skip("asyncio makes a transport that never reads, and fails when it is shown")
    lie, expected = WRONG_NUMBERS[number]
    # what shows the socket in an error message expects a number
    kinds = expected if isinstance(lie, int | float) else (expected, TypeError)

    with lying_socket(lie) as sock, pytest.raises(kinds):
        await TAKES_OVER[method](loop, sock)

    assert loop.stats().connection_count == 0


# asyncio's pipe transports, half made, fail in __del__.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("method", PIPES)
@pytest.mark.parametrize("number", WRONG_NUMBERS)
async def test_a_pipe_whose_fileno_is_wrong_gets_no_transport(number, method):
    loop = asyncio.get_running_loop()
    lie, expected = WRONG_NUMBERS[number]
    if expected is ValueError:  # fstat() judges
        expected = OSError if isinstance(lie, int) else TypeError

    with pytest.raises(expected):
        await PIPES[method](loop, LyingFile(lie))


@pytest.mark.parametrize("add", ["add_reader", "add_writer"])
@pytest.mark.parametrize("file", UNWATCHABLE)
@pytest.mark.parametrize("before", BEFORE)
async def test_a_file_that_epoll_refuses_is_refused_in_the_call(before, file, add, reports):
    loop = asyncio.get_running_loop()
    if is_stdlib(loop) and before in STALE_ON_ASYNCIO:
        pytest.skip("asyncio takes the number for the file it still watches")
    with contextlib.ExitStack() as stack:
        supply = Supply(loop, stack)
        await BEFORE[before](supply)
        fd = supply.place(UNWATCHABLE[file]())
        stack.callback(os.close, fd)

        if (before, add) in {("had_readers", "add_writer"), ("had_writers", "add_reader")}:
            # someone waits in the other direction: this one is told to epoll before the next wait
            getattr(loop, add)(fd, int)
            await turns(2)
            assert isinstance(reports.pop()["exception"], PermissionError)
        else:
            with pytest.raises(PermissionError):
                getattr(loop, add)(fd, int)

        assert getattr(loop, add.replace("add", "remove"))(fd) is False
        for stale in supply.stale:
            loop.remove_reader(stale)
            loop.remove_writer(stale)
        await turns(2)
