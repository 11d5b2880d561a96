"""add_reader, add_writer, remove_reader and remove_writer."""

import asyncio
import contextlib
import contextvars
import os
import socket

import pytest

from tests.support.sockets import drain, fill, tcp_pair, unix_pair
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until


@pytest.fixture
def pair():
    with unix_pair() as sockets:
        yield sockets


@contextlib.contextmanager
def pipe():
    """Give the read and the write end of a pipe, as numbers."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for fd in ends:
            os.close(fd)


async def test_a_reader_is_called_with_its_arguments_when_data_arrives(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    seen = []
    loop.add_reader(ours, lambda *args: (seen.append(args), ours.recv(100)), 1, "two")
    await turns(3)
    assert seen == []

    peer.send(b"x")
    await wait_until(lambda: seen)
    loop.remove_reader(ours)

    assert seen == [(1, "two")]


async def test_a_writer_is_called_when_there_is_room(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    fill(ours)
    seen = []
    loop.add_writer(ours, lambda: (seen.append("room"), loop.remove_writer(ours)))
    await turns(3)
    assert seen == []

    drain(peer)
    await wait_until(lambda: seen)

    assert seen == ["room"]


async def test_reader_and_writer_of_one_fd_are_independent(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    seen = []
    loop.add_reader(ours, lambda: seen.append(ours.recv(100)))
    loop.add_writer(ours, lambda: (seen.append("room"), loop.remove_writer(ours)))
    await wait_until(lambda: seen == ["room"])

    peer.send(b"x")
    await wait_until(lambda: seen == ["room", b"x"])
    assert loop.remove_reader(ours) is True


async def test_a_reader_is_called_again_until_everything_is_read(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    seen = []
    peer.send(b"abcdef")
    loop.add_reader(ours, lambda: seen.append(ours.recv(1)))

    await wait_until(lambda: len(seen) == 6)
    loop.remove_reader(ours)

    assert seen == [b"a", b"b", b"c", b"d", b"e", b"f"]


async def test_a_writer_is_called_again_as_long_as_there_is_room(pair):
    loop = asyncio.get_running_loop()
    ours, _ = pair
    seen = []
    loop.add_writer(ours, seen.append, 1)

    await wait_until(lambda: len(seen) > 5)
    assert loop.remove_writer(ours) is True

    count = len(seen)
    await turns(3)
    assert len(seen) == count


async def test_a_reader_is_called_at_the_end_of_stream(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    seen = []
    loop.add_reader(ours, lambda: (seen.append(ours.recv(100)), loop.remove_reader(ours)))

    peer.shutdown(socket.SHUT_WR)
    await wait_until(lambda: seen)

    assert seen == [b""]


async def test_reader_and_writer_are_called_when_the_connection_breaks():
    loop = asyncio.get_running_loop()
    seen = []
    with tcp_pair() as (ours, peer):
        fill(ours)
        loop.add_reader(ours, lambda: (seen.append("reader"), loop.remove_reader(ours)))
        loop.add_writer(ours, lambda: (seen.append("writer"), loop.remove_writer(ours)))
        peer.close()  # with unread data: a reset
        await wait_until(lambda: len(seen) == 2)

    assert sorted(seen) == ["reader", "writer"]


@pytest.mark.parametrize("end", ["object", "number"])
async def test_add_and_remove_take_an_object_with_fileno_or_a_number(pair, end):
    loop = asyncio.get_running_loop()
    ours, _ = pair
    fd = ours if end == "object" else ours.fileno()

    loop.add_reader(fd, int)
    loop.add_writer(fd, int)

    assert loop.remove_reader(ours.fileno()) is True
    assert loop.remove_writer(ours) is True


async def test_remove_tells_whether_there_was_something_to_remove(pair):
    loop = asyncio.get_running_loop()
    ours, _ = pair
    assert loop.remove_reader(ours) is False
    assert loop.remove_writer(ours) is False

    loop.add_reader(ours, int)
    assert loop.remove_writer(ours) is False
    assert loop.remove_reader(ours) is True
    assert loop.remove_reader(ours) is False


def test_remove_on_a_closed_loop_returns_false(loop, pair):
    ours, _ = pair
    loop.add_reader(ours, int)
    loop.close()

    assert loop.remove_reader(ours) is False
    assert loop.remove_writer(ours) is False


@pytest.mark.parametrize("method", ["add_reader", "add_writer"])
async def test_add_returns_none(pair, method):
    loop = asyncio.get_running_loop()
    ours, _ = pair

    assert getattr(loop, method)(ours, int) is None
    getattr(loop, method.replace("add", "remove"))(ours)


@pytest.mark.parametrize("method", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
@pytest.mark.parametrize(
    ("fd", "message"),
    [(-1, "Invalid file descriptor: -1"), (object(), "Invalid file object: "), ("x", "Invalid")],
    ids=["negative number", "object without fileno", "string"],
)
async def test_what_is_no_file_descriptor_is_refused(method, fd, message):
    arguments = [fd, int] if method.startswith("add") else [fd]

    with pytest.raises(ValueError, match=f"^{message}"):
        getattr(asyncio.get_running_loop(), method)(*arguments)


async def test_a_closed_socket_is_refused():
    sock = socket.socket()
    sock.close()

    with pytest.raises(ValueError, match=r"^Invalid file descriptor: -1"):
        asyncio.get_running_loop().add_reader(sock, int)


async def test_a_regular_file_is_refused_as_epoll_refuses_it(tmp_path):
    with open(tmp_path / "file", "w+b") as file, pytest.raises(PermissionError):
        asyncio.get_running_loop().add_reader(file, int)


async def test_a_number_that_is_no_open_file_is_refused():
    with pipe() as (read_end, _):
        free = os.dup(read_end)
        os.close(free)
        with pytest.raises(OSError, match="Bad file descriptor"):
            asyncio.get_running_loop().add_reader(free, int)


async def test_adding_again_replaces_the_callback(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    seen = []
    loop.add_reader(ours, seen.append, "first")
    loop.add_reader(ours, lambda: seen.append(ours.recv(100)))

    peer.send(b"second")
    await wait_until(lambda: seen)
    loop.remove_reader(ours)

    assert seen == [b"second"]


async def test_removing_a_reader_cancels_a_call_that_is_already_due(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    seen = []
    with unix_pair() as (other, other_peer):
        # Both are ready in the same turn; whichever runs first removes the other.
        def first(mine, theirs):
            seen.append(mine)
            loop.remove_reader(mine)
            loop.remove_reader(theirs)

        loop.add_reader(ours, first, ours, other)
        loop.add_reader(other, first, other, ours)
        peer.send(b"x")
        other_peer.send(b"x")
        await wait_until(lambda: seen)
        await turns(3)

    assert len(seen) == 1


@pytest.mark.parametrize("removed_before", [True, False], ids=["removed", "replaced"])
async def test_a_new_callback_is_not_called_for_what_the_old_one_was_due_for(pair, removed_before):
    # A new callback that blocks in read(2), because its fd has been drained, would hang the loop.
    loop = asyncio.get_running_loop()
    ours, peer = pair
    seen = []
    loop.add_reader(ours, seen.append, "old")
    await turns(2)

    def replace():  # runs after the poll, and before what it has found
        ours.recv(100)
        if removed_before:
            loop.remove_reader(ours)
        loop.add_reader(ours, seen.append, "new")

    peer.send(b"x")
    loop.call_soon(replace)
    await turns(4)
    loop.remove_reader(ours)

    assert seen == []


async def test_a_callback_may_remove_itself(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    seen = []
    loop.add_reader(ours, lambda: (seen.append(1), loop.remove_reader(ours)))
    peer.send(b"x")

    await wait_until(lambda: seen)
    await turns(3)

    assert seen == [1]


async def test_a_callback_that_raises_is_reported_and_called_again(pair, reports):
    loop = asyncio.get_running_loop()
    ours, peer = pair

    def callback():
        raise ZeroDivisionError

    loop.add_reader(ours, callback)
    peer.send(b"x")
    await wait_until(lambda: len(reports) >= 2)
    loop.remove_reader(ours)

    assert {type(report["exception"]) for report in reports} == {ZeroDivisionError}
    reports.clear()


async def test_a_reader_runs_in_the_context_of_whoever_added_it(pair):
    loop = asyncio.get_running_loop()
    variable = contextvars.ContextVar("variable", default="outside")
    ours, peer = pair
    seen = []

    async def add():
        variable.set("inside")
        loop.add_reader(ours, lambda: (ours.recv(1), seen.append(variable.get())))

    await asyncio.create_task(add())
    peer.send(b"x")
    await wait_until(lambda: seen)
    loop.remove_reader(ours)

    assert seen == ["inside"]
    assert variable.get() == "outside"


async def test_pipes_can_be_watched():
    loop = asyncio.get_running_loop()
    seen = []
    with pipe() as (read_end, write_end):
        loop.add_reader(read_end, lambda: seen.append(os.read(read_end, 100)))
        loop.add_writer(write_end, os.write, write_end, b"x")
        await wait_until(lambda: seen)
        assert loop.remove_writer(write_end) is True
        assert loop.remove_reader(read_end) is True

    assert seen[0].startswith(b"x")


async def test_blocking_mode_of_a_watched_file_is_left_alone():
    loop = asyncio.get_running_loop()
    with pipe() as (read_end, _):
        loop.add_reader(read_end, int)
        await turns(2)
        assert os.get_blocking(read_end) is True
        loop.remove_reader(read_end)
        assert os.get_blocking(read_end) is True


@pytest.mark.parametrize("method", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
async def test_the_file_of_a_transport_is_refused(method):
    loop = asyncio.get_running_loop()
    arguments = [int] if method.startswith("add") else []

    async with connected() as (transport, _, _):
        fd = transport.get_extra_info("socket").fileno()
        with pytest.raises(RuntimeError, match=f"^File descriptor {fd} is used by transport "):
            getattr(loop, method)(fd, *arguments)


async def test_many_files_can_be_watched_at_once():
    loop = asyncio.get_running_loop()
    count = 100
    seen = []
    with contextlib.ExitStack() as stack:
        pairs = [stack.enter_context(unix_pair()) for _ in range(count)]
        for number, (ours, _) in enumerate(pairs):
            loop.add_reader(ours, lambda n=number, sock=ours: (seen.append(n), sock.recv(1)))
        for _, peer in pairs:
            peer.send(b"x")
        await wait_until(lambda: len(seen) == count)
        for ours, _ in pairs:
            assert loop.remove_reader(ours)

    assert sorted(seen) == list(range(count))


async def test_adding_and_removing_over_and_over_leaves_the_last_word(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    seen = []
    for _ in range(100):
        loop.add_reader(ours, seen.append, "not this one")
        loop.remove_reader(ours)
        loop.add_writer(ours, seen.append, "nor this one")
        loop.remove_writer(ours)
    loop.add_reader(ours, lambda: seen.append(ours.recv(100)))

    peer.send(b"x")
    await wait_until(lambda: seen)
    loop.remove_reader(ours)
    await turns(3)

    assert seen == [b"x"]
