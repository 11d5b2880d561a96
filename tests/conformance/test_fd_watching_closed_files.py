"""add_reader and add_writer: files closed while they are watched, and numbers used again."""

import asyncio
import gc
import os
import socket
import weakref

import pytest

from tests.support.loops import is_stdlib
from tests.support.sockets import unix_pair
from tests.support.waiting import turns, wait_until


async def test_a_file_closed_without_remove_can_still_be_removed():
    loop = asyncio.get_running_loop()
    with unix_pair() as (ours, _):
        loop.add_reader(ours, int)
        await turns(2)
        fd = ours.fileno()

    assert loop.remove_reader(fd) is True
    assert loop.remove_reader(fd) is False


@pytest.mark.parametrize("direction", ["reader", "writer"])
async def test_a_socket_closed_without_remove_can_still_be_removed(direction):
    loop = asyncio.get_running_loop()
    with unix_pair() as (ours, _):
        getattr(loop, f"add_{direction}")(ours, int)
        await turns(2)

    assert getattr(loop, f"remove_{direction}")(ours) is True
    with pytest.raises(ValueError, match=r"^Invalid file descriptor: -1"):
        getattr(loop, f"remove_{direction}")(ours)


async def test_a_closed_socket_is_not_taken_for_another_one():
    loop = asyncio.get_running_loop()
    with unix_pair() as (watched, peer):
        with unix_pair() as (closed, _):
            loop.add_reader(watched, int)
        with pytest.raises(ValueError, match=r"^Invalid file descriptor: -1"):
            loop.remove_reader(closed)
        assert loop.remove_reader(watched) is True
        peer.close()


async def test_a_watched_socket_is_kept_alive():
    loop = asyncio.get_running_loop()
    seen = []
    with unix_pair() as (ours, peer):
        watched = socket.socket(fileno=os.dup(ours.fileno()))
        fd, alive = watched.fileno(), weakref.ref(watched)
        loop.add_reader(watched, lambda: seen.append(os.read(fd, 100)))
        del watched
        gc.collect()
        assert alive() is not None

        peer.send(b"still read")
        await wait_until(lambda: seen)
        alive().close()
        loop.remove_reader(fd)
        await turns(2)
        gc.collect()
        assert alive() is None

    assert seen == [b"still read"]


async def test_a_reused_number_is_watched_after_the_old_file_was_removed():
    loop = asyncio.get_running_loop()
    seen = []
    for message in (b"first", b"second"):
        with unix_pair() as (ours, peer):
            loop.add_reader(ours, lambda ours=ours: seen.append(ours.recv(100)))
            peer.send(message)
            await wait_until(lambda: message in seen)  # noqa: B023 - awaited in this turn
            loop.remove_reader(ours)

    assert seen == [b"first", b"second"]


async def test_a_reused_number_is_watched_even_when_the_old_file_was_not_removed():
    loop = asyncio.get_running_loop()
    if is_stdlib(loop):
        pytest.skip("asyncio takes the number for the file it still watches and never fires")
    seen = []
    with unix_pair() as (old, _):
        loop.add_reader(old, seen.append, "old")
        await turns(2)
        fd = old.fileno()
    with unix_pair() as (new, peer):
        assert fd in (new.fileno(), peer.fileno())
        watched, other = (new, peer) if fd == new.fileno() else (peer, new)
        loop.add_reader(watched, lambda: seen.append(watched.recv(100)))
        other.send(b"new")
        await wait_until(lambda: seen)
        loop.remove_reader(watched)

    assert seen == [b"new"]
