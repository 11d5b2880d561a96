"""SockOperation: coroutine of its own kind, and what stays in epoll between two waits."""

import array
import asyncio
import contextlib
import gc
import inspect
import os
import socket
import warnings

import pytest

from tests.probes.poller import IN
from tests.probes.reactor import ReactorProbe
from tests.support.randomness import printed_random
from tests.support.sockets import KERNEL_BUFFER_SIZE, drain, fill, receive, tcp_pair, unix_pair
from tests.support.syscalls import calls_between_marks, needs_strace
from tests.support.waiting import turns, wait_until


async def waiting_receive(sock) -> asyncio.Task:
    """Return a task that waits for data."""
    task = asyncio.create_task(asyncio.get_running_loop().sock_recv(sock, 100))
    await turns(2)
    assert not task.done()
    return task


# ---- as a coroutine


async def test_an_operation_is_a_coroutine_to_asyncio(pair):
    operation = asyncio.get_running_loop().sock_recv(pair[0], 1)

    assert asyncio.iscoroutine(operation)
    assert inspect.isawaitable(operation)
    assert operation.__qualname__ == "EventLoop.sock_recv"
    operation.close()


async def test_nothing_happens_until_it_is_awaited(pair):
    ours, peer = pair
    peer.send(b"x")
    operation = asyncio.get_running_loop().sock_recv(ours, 1)

    assert ours.recv(1, socket.MSG_PEEK) == b"x"
    assert await operation == b"x"


async def test_an_operation_that_was_never_awaited_is_warned_of(pair):
    operation = asyncio.get_running_loop().sock_recv(pair[0], 1)

    with pytest.warns(RuntimeWarning, match=r"'EventLoop.sock_recv' was never awaited"):
        del operation


@pytest.mark.parametrize("end", ["awaited", "closed", "thrown_into"])
async def test_an_operation_that_ended_is_not_warned_of_and_cannot_be_awaited_again(pair, end):
    pair[1].send(b"x")
    operation = asyncio.get_running_loop().sock_recv(pair[0], 1)
    if end == "awaited":
        await operation
    elif end == "closed":
        operation.close()
    else:
        with pytest.raises(ZeroDivisionError):
            operation.throw(ZeroDivisionError)

    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await operation
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del operation
        gc.collect()


async def test_a_task_of_a_bare_operation_gets_a_result_that_is_a_tuple(pair):
    pair[1].send(b"x")

    task = asyncio.create_task(asyncio.get_running_loop().sock_recvfrom(pair[0], 10))

    assert (await task)[0] == b"x"


async def test_stepping_an_operation_that_waits_is_refused(pair):
    operation = asyncio.get_running_loop().sock_recv(pair[0], 1)
    operation.send(None)

    with pytest.raises(RuntimeError, match="await wasn't used with future"):
        operation.send(None)
    operation.close()


async def test_closing_an_operation_that_waits_ends_its_wait(pair):
    loop = asyncio.get_running_loop()
    operation = loop.sock_recv(pair[0], 1)
    operation.send(None)

    operation.close()

    assert loop.remove_reader(pair[0]) is False


# ---- sockets that are not plain


async def test_methods_of_a_subclass_are_used():
    class Shouting(socket.socket):
        def recv(self, size):
            return super().recv(size).upper()

        def send(self, data):
            return super().send(bytes(data).upper())

    loop = asyncio.get_running_loop()
    with unix_pair() as (ours, peer), Shouting(fileno=os.dup(ours.fileno())) as shouting:
        await loop.sock_sendall(shouting, b"abc")
        assert await loop.sock_recv(peer, 10) == b"ABC"
        task = asyncio.create_task(loop.sock_recv(shouting, 10))
        await turns(2)
        peer.send(b"def")
        assert await task == b"DEF"


async def test_a_blocking_socket_holds_nobody_up():
    loop = asyncio.get_running_loop()
    with unix_pair() as (ours, peer):
        ours.setblocking(True)
        task = await waiting_receive(ours)
        peer.send(b"x")

        assert await task == b"x"
        task = asyncio.create_task(loop.sock_sendall(ours, bytes(10 * KERNEL_BUFFER_SIZE)))
        await receive(peer, 10 * KERNEL_BUFFER_SIZE)
        await task


async def test_items_of_several_bytes_are_sent_whole(pair):
    ours, peer = pair
    numbers = array.array("q", range(KERNEL_BUFFER_SIZE))
    task = asyncio.create_task(asyncio.get_running_loop().sock_sendall(ours, numbers))

    assert await receive(peer, len(numbers) * 8) == numbers.tobytes()
    await task


@pytest.mark.parametrize("size", [-1, 2**64, "x", None, 1.5], ids=repr)
async def test_a_wrong_size_raises_what_recv_raises(pair, size):
    with pytest.raises((ValueError, TypeError, OverflowError)) as theirs:
        pair[0].recv(size)

    with pytest.raises(theirs.type, match=str(theirs.value)):
        await asyncio.get_running_loop().sock_recv(pair[0], size)


async def test_sizes_above_the_shared_buffer_are_received(pair):
    ours, peer = pair
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
    sent = fill(peer)

    assert len(await asyncio.get_running_loop().sock_recv(ours, 2**20)) == sent


async def test_a_send_that_fails_in_the_background_raises():
    loop = asyncio.get_running_loop()
    with unix_pair() as (ours, peer):
        fill(ours)
        task = asyncio.create_task(loop.sock_sendall(ours, b"more"))
        await turns(2)
        peer.close()
        with pytest.raises(BrokenPipeError):
            await task


# ---- cancelling


async def test_a_task_cancelled_after_it_was_woken_takes_no_data(pair):
    ours, peer = pair
    task = await waiting_receive(ours)
    peer.send(b"precious")
    waiter = task._fut_waiter
    await turns(2)  # one runs the event, in the next we stand before the task
    assert waiter.done()
    assert not task.done()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ours.recv(100) == b"precious"


async def test_data_survives_random_cancelling():
    rng = printed_random()
    loop = asyncio.get_running_loop()

    async def exchange(ours, peer) -> None:
        sent = received = 0
        while received < 3000:
            if sent < 3000 and rng.random() < 0.5:
                sent += peer.send(bytes((sent + i) % 251 for i in range(rng.randrange(1, 30))))
            task = asyncio.create_task(loop.sock_recv(ours, rng.randrange(1, 20)))
            await turns(rng.randrange(5))
            if rng.random() < 0.3 or sent == received:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                data = await task
                assert data == bytes((received + i) % 251 for i in range(len(data)))
                received += len(data)

    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(unix_pair()) for _ in range(5)]
        await asyncio.gather(*(exchange(*pair) for pair in pairs))


# ---- what stays in epoll


async def test_interest_stays_after_a_wait_until_an_event_finds_nobody(pair):
    loop = asyncio.get_running_loop()
    probe = ReactorProbe(loop)
    ours, peer = pair
    task = await waiting_receive(ours)
    peer.send(b"x")
    await task
    await turns(3)
    after_wait = probe.slot(ours.fileno()).interest

    peer.send(b"nobody waits for this")
    await turns(3)

    assert after_wait == IN
    assert probe.slot(ours.fileno()) is None
    assert await loop.sock_recv(ours, 100) == b"nobody waits for this"


ECHOES = """
    import asyncio, os, socket
    import ngxloop

    async def echo(sock):
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(sock, 1000):
            await loop.sock_sendall(sock, data)

    async def main():
        loop = asyncio.get_running_loop()
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        peer.setblocking(False)
        task = asyncio.create_task(echo(peer))
        for i in range(110):
            if i == 10:
                os.getppid()
            await loop.sock_sendall(ours, b"x")
            await loop.sock_recv(ours, 1000)
        os.getppid()
        ours.close()
        await task

    ngxloop.run(main())
"""


@needs_strace
def test_requests_and_answers_tell_epoll_nothing():
    calls = calls_between_marks(ECHOES, "epoll_ctl")

    assert calls["epoll_ctl"] == 0


async def test_a_number_that_comes_back_is_waited_for_as_the_new_socket():
    loop = asyncio.get_running_loop()
    numbers = set()
    for i in range(20):
        with unix_pair() as (ours, peer):
            numbers.add(ours.fileno())
            task = await waiting_receive(ours)
            peer.send(b"%d" % i)
            assert await task == b"%d" % i
            if i % 3 == 0:
                sender = asyncio.create_task(loop.sock_sendall(ours, bytes(KERNEL_BUFFER_SIZE * 8)))
                await receive(peer, KERNEL_BUFFER_SIZE * 8)
                await sender

    assert len(numbers) < 20


async def test_a_duplicate_of_a_closed_socket_wakes_nobody(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    task = await waiting_receive(ours)
    peer.send(b"x")
    await task
    with contextlib.closing(ours.dup()):
        fd = ours.fileno()
        ours.close()
        with unix_pair() as (new, new_peer):
            assert fd in (new.fileno(), new_peer.fileno())
            sock, other = (new, new_peer) if new.fileno() == fd else (new_peer, new)
            task = await waiting_receive(sock)
            peer.send(b"for the duplicate")
            await turns(5)
            assert not task.done()
            before = loop.poll_count
            await asyncio.sleep(0.02)
            assert loop.poll_count - before <= 4
            other.send(b"for us")
            assert await task == b"for us"


async def test_a_closed_socket_that_was_waited_for_is_not_reported_by_a_new_epoll(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    task = await waiting_receive(ours)
    peer.send(b"x")
    await task
    fd = ours.fileno()
    ours.close()

    loop._forked()
    await turns(2)

    assert ReactorProbe(loop).slot(fd) is None


async def test_a_reader_can_follow_a_wait_and_a_wait_a_reader(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    for _ in range(3):
        task = await waiting_receive(ours)
        peer.send(b"x")
        assert await task == b"x"

        seen = []
        loop.add_reader(ours, lambda: seen.append(drain(ours)))  # noqa: B023 - in this round
        peer.send(b"y")
        await wait_until(lambda: seen)  # noqa: B023
        assert loop.remove_reader(ours) is True
        assert loop.remove_reader(ours) is False


async def test_a_transport_can_follow_a_wait():
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, peer):
        task = await waiting_receive(ours)
        peer.send(b"x")
        assert await task == b"x"

        reader = asyncio.StreamReader()
        transport, _ = await loop.create_connection(
            lambda: asyncio.StreamReaderProtocol(reader), sock=ours
        )
        peer.send(b"y")
        assert await reader.read(10) == b"y"
        transport.abort()
        await wait_until(lambda: ours.fileno() == -1)


def test_a_loop_closed_with_waiting_operations_lets_go_of_them(loop, pair):
    async def wait():
        await loop.sock_recv(pair[0], 1)

    task = loop.create_task(wait())
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()

    task._log_destroy_pending = False
    del task
    gc.collect()
