"""What peers and programs seldom do, and a loop has to survive: nothing is lost, nothing spins."""

import array
import asyncio
import contextvars
import os
import socket
import threading

from tests.support.loops import is_stdlib
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import tcp_pair, unix_pair
from tests.support.streams import connected
from tests.support.waiting import DEADLINE, turns, wait_until

variable = contextvars.ContextVar("variable", default="unset")


async def test_what_follows_a_message_with_passed_fds_arrives():
    async with connected(pair=unix_pair) as (_, protocol, peer):
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [peer.fileno()]))]
        peer.sendmsg([b"one"], passed)
        peer.send(b"two")
        await wait_until(lambda: protocol.received == b"onetwo")


async def test_what_follows_urgent_data_arrives():
    async with connected() as (_, protocol, peer):
        peer.send(b"aaa")
        peer.send(b"!", socket.MSG_OOB)
        peer.send(b"bbb")
        await wait_until(lambda: protocol.received == b"aaabbb")


async def test_a_closed_fd_whose_file_lives_on_wakes_the_loop_no_more():
    loop = asyncio.get_running_loop()
    reading_end, writing_end = os.pipe()
    duplicate = os.dup(reading_end)
    try:
        loop.add_reader(duplicate, print)
        await turns(2)
        loop.remove_reader(duplicate)
        os.close(duplicate)
        os.write(writing_end, b"x")
        await turns(3)  # however often it is reported, it is forgotten by now
        if is_stdlib(loop):
            return  # asyncio counts no polls
        before = loop.poll_count
        woken = asyncio.Event()
        timer = threading.Timer(0.2, loop.call_soon_threadsafe, [woken.set])
        timer.start()
        await woken.wait()
        timer.join()
        assert loop.poll_count - before < 10
    finally:
        os.close(reading_end)
        os.close(writing_end)


async def test_pause_and_resume_writing_run_in_the_context_of_the_connection():
    seen = {}

    class Protocol(RecordingProtocol):
        def pause_writing(self):
            seen["pause"] = variable.get()

        def resume_writing(self):
            seen["resume"] = variable.get()

    variable.set("connection")
    async with connected(Protocol) as (transport, _, peer):
        transport.write(bytes(4_000_000))
        await wait_until(lambda: "pause" in seen)
        received = 0
        while "resume" not in seen:
            await turns(1)
            try:
                received += len(peer.recv(1 << 20))
            except BlockingIOError:
                continue

    assert seen == {"pause": "connection", "resume": "connection"}


async def test_what_was_written_leaves_before_the_socket_is_shut_down_by_hand():
    with tcp_pair() as (ours, peer):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(RecordingProtocol, sock=ours)
        transport.write(b"bye")
        sock = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        with sock:
            sock.shutdown(socket.SHUT_WR)
        await turns(2)
        assert peer.recv(100) == b"bye"
        transport.abort()
        await wait_until(lambda: ours.fileno() == -1)


async def test_a_callback_from_a_thread_that_the_clock_let_in_ends_the_wait():
    """A test clock in Python gives up the GIL between the look at the queue and the wait."""
    loop = asyncio.get_running_loop()
    ran = asyncio.Event()
    clock = loop.time
    asked = threading.Event()
    posted = threading.Event()

    def post():
        asked.wait(DEADLINE)
        loop.call_soon_threadsafe(ran.set)
        posted.set()

    def slow_clock():
        if threading.current_thread() is threading.main_thread() and not asked.is_set():
            asked.set()
            posted.wait(DEADLINE)
        return clock()

    thread = threading.Thread(target=post)
    thread.start()
    timer = loop.call_later(3600, print)
    loop.time = slow_clock
    try:
        await asyncio.wait_for(ran.wait(), DEADLINE)
    finally:
        loop.time = clock
        timer.cancel()
        thread.join()
