"""Transports and protocols of streams: two ends that do random things and end in a random way."""

import asyncio
import contextlib
import socket
import struct
import threading

from tests.stress import links
from tests.stress.lives import Life, new_protocol
from tests.stress.pattern import SIZES
from tests.stress.world import Act

LINGER_ZERO = struct.pack("ii", 1, 0)


async def exchange(act: Act) -> None:
    """Two ends write, pause and change protocols; then one of the endings."""
    raising = act.chance(0.2)
    ending = act.choose(
        in_good_order, in_good_order, behind_a_backlog, half_closed, aborted, was_reset, left_open
    )
    act.note(f"will end {ending.__name__}")
    lives = await links.connected(act, links.tcp if ending is was_reset else None)
    for life in lives:
        life.may_raise = raising
        life.stays_open = ending is half_closed
    for _ in range(act.randomness.randrange(1, 40)):
        step(act, act.randomness.choice(lives))
        await act.breathe()
    await ending(act, *lives)


def step(act: Act, life: Life) -> None:
    """Do one random thing at one end, unless it is lost."""
    if life.lost_count or life.transport.is_closing():
        return
    act.choose(
        write, write, write, write_in_thread, pause, resume, resume, change_protocol, limits, ask
    )(act, life)


def write(act: Act, life: Life) -> None:
    how = act.choose("bytes", "bytearray", "memoryview", "writelines")
    sizes = [act.choose(*SIZES) for _ in range(act.randomness.randrange(1, 5))]
    act.note(f"{life.name} {how} {sizes}")
    life.send(sizes, how)


def write_in_thread(act: Act, life: Life) -> None:
    """Let another thread write, while the loop goes on."""
    size = act.choose(*SIZES)
    act.note(f"{life.name} writes {size} in a thread")
    thread = threading.Thread(target=life.send, args=([size], "bytes"))
    act.world.threads.append(thread)
    thread.start()
    if act.chance(0.5):
        thread.join()


def pause(_act: Act, life: Life) -> None:
    life.transport.pause_reading()


def resume(_act: Act, life: Life) -> None:
    life.transport.resume_reading()


def change_protocol(_act: Act, life: Life) -> None:
    life.transport.set_protocol(new_protocol(life))


def limits(act: Act, life: Life) -> None:
    life.transport.set_write_buffer_limits(high=act.choose(0, 1, 1_000, 100_000, 1_000_000))


def ask(act: Act, life: Life) -> None:
    transport = life.transport
    act.check(transport.get_write_buffer_size() >= 0, "a negative size of the write buffer")
    low, high = transport.get_write_buffer_limits()
    act.check(0 <= low <= high, f"limits {low}, {high}")
    for name in ("socket", "peername", "sockname", "ssl_object", "no such name"):
        transport.get_extra_info(name)
    repr(transport)
    transport.is_reading()


async def all_received(act: Act, one: Life, other: Life) -> bool:
    """Let both ends read until everything has come; False if an end was broken on purpose."""
    for life in (one, other):
        if not life.lost_count:
            life.transport.resume_reading()

    def is_over() -> bool:
        return links.has_all(one, other) or one.lost_count or other.lost_count

    await join_threads(act)
    await act.until(is_over, "everything to arrive:", one, other)
    return not was_broken(act, one, other)


async def join_threads(act: Act) -> None:
    """Wait for the threads of this act that write."""
    await act.until(
        lambda: not any(thread.is_alive() for thread in act.world.threads), "threads that write"
    )


def was_broken(act: Act, one: Life, other: Life) -> bool:
    """Tell whether an end was broken on purpose; if not, nothing may be missing."""
    if one.was_broken or other.was_broken:
        return True
    act.check(links.has_all(one, other), f"something is missing: {one}; {other}")
    return False


async def both_lost(act: Act, one: Life, other: Life) -> None:
    """Wait for both ends; unless something was broken, both end without an error."""
    for life in (one, other):
        if not life.lost_count:
            life.transport.resume_reading()
    await act.until(lambda: one.lost_count and other.lost_count, "the end:", one, other)
    if not was_broken(act, one, other):
        for life in (one, other):
            act.check(life.lost_with is None, f"{life.name} ended with {life.lost_with!r}")


async def in_good_order(act: Act, one: Life, other: Life) -> None:
    """All has arrived, then one end closes."""
    await all_received(act, one, other)
    act.choose(one, other).transport.close()
    await both_lost(act, one, other)


async def behind_a_backlog(act: Act, one: Life, other: Life) -> None:
    """One end closes while what it has written still waits; the other reads on."""
    if not await all_received(act, one, other):
        return
    if act.chance(0.5):
        other.transport.pause_reading()
    write(act, one)
    write(act, one)
    one.transport.close()
    await act.breathe()
    await both_lost(act, one, other)


async def half_closed(act: Act, one: Life, other: Life) -> None:
    """One end writes its last; the other goes on for a while."""
    if not await all_received(act, one, other):
        return
    if not one.transport.can_write_eof():
        await in_good_order(act, one, other)
        return
    write(act, one)
    one.stays_open = False
    one.transport.write_eof()
    await act.until(lambda: other.has_ended or other.lost_count, "the end of the first half")
    if not other.lost_count:
        write(act, other)
        await act.breathe()
        other.transport.close()
    await both_lost(act, one, other)


async def aborted(act: Act, one: Life, other: Life) -> None:
    """One end is aborted, from the loop or in a callback."""
    break_both(one, other)
    write(act, one)
    if act.chance(0.5):
        one.transport.abort()
    else:
        act.loop.call_soon(one.transport.abort)
        write(act, other)
    await both_lost(act, one, other)


async def was_reset(act: Act, one: Life, other: Life) -> None:
    """One end closes its socket so that the other one sees ECONNRESET."""
    break_both(one, other)
    sock = one.transport.get_extra_info("socket")
    with contextlib.suppress(OSError):  # it has been closed already, by an exception
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    write(act, other)
    one.transport.abort()
    await both_lost(act, one, other)


async def left_open(act: Act, one: Life, other: Life) -> None:
    """Nobody closes: the act's end, or the round's, does."""
    break_both(one, other)
    await asyncio.sleep(act.randomness.random() * 0.05)


def break_both(*lives: Life) -> None:
    for life in lives:
        life.was_broken = True
