"""Callbacks of every kind that raise: each is reported once, and the loop goes on."""

import asyncio
import contextlib
import gc
import os
import socket
import threading

from tests.stress.world import Act, Interruption


async def complain(act: Act) -> None:
    """Let several callbacks raise, of different kinds."""
    for _ in range(act.randomness.randrange(1, 6)):
        act.choose(soon, later, in_thread, reader, task, future, done_callback)(act)
        await act.breathe()


def raise_it(act: Act, kind: str) -> None:
    raise act.world.provoke(f"{act.name} {kind}")


def soon(act: Act) -> None:
    act.loop.call_soon(raise_it, act, "call_soon")


def later(act: Act) -> None:
    ran: list[int] = []

    def call() -> None:
        ran.append(1)
        raise_it(act, "call_later")

    act.loop.call_later(0.001, call)
    act.defer(lambda: act.until(lambda: ran, "a timer that raises"))


def in_thread(act: Act) -> None:
    def call() -> None:
        with contextlib.suppress(RuntimeError):
            act.loop.call_soon_threadsafe(raise_it, act, "call_soon_threadsafe")

    thread = threading.Thread(target=call)
    act.world.threads.append(thread)
    thread.start()


def reader(act: Act) -> None:
    near, far = (act.own(sock) for sock in socket.socketpair())

    def read() -> None:
        act.loop.remove_reader(near)
        raise_it(act, "add_reader")

    act.loop.add_reader(near, read)

    async def forget() -> None:
        if near.fileno() != -1:
            act.loop.remove_reader(near)

    act.defer(forget)
    far.send(b"x")


def task(act: Act) -> None:
    async def fail() -> None:
        raise_it(act, "task")

    failing = asyncio.ensure_future(fail())
    failing.add_done_callback(lambda _: act.loop.call_soon(gc.collect, 0))


def future(act: Act) -> None:
    act.loop.create_future().set_exception(act.world.provoke(f"{act.name} future"))


def done_callback(act: Act) -> None:
    waiting = act.loop.create_future()
    waiting.add_done_callback(lambda _: raise_it(act, "done callback"))
    waiting.set_result(None)


async def factories(act: Act) -> None:
    """Protocol factories and buffers that raise, in every call that takes one."""

    def factory() -> asyncio.Protocol:
        raise RuntimeError("a factory that fails")

    near, far = (act.own(sock) for sock in socket.socketpair())
    read_fd, write_fd = os.pipe()
    read_file = act.own(os.fdopen(read_fd, "rb", 0))
    write_file = act.own(os.fdopen(write_fd, "wb", 0))
    for attempt in (
        lambda: act.loop.create_connection(factory, sock=near),
        lambda: act.loop.connect_accepted_socket(factory, far),
        lambda: act.loop.connect_read_pipe(factory, read_file),
        lambda: act.loop.connect_write_pipe(factory, write_file),
        lambda: act.loop.create_datagram_endpoint(factory, local_addr=("127.0.0.1", 0)),
    ):
        with contextlib.suppress(RuntimeError):
            await attempt()
            act.fail("a factory that fails made a transport")
        await act.breathe()


async def interrupt(act: Act) -> None:
    """Leave run_forever by an exception, from a callback or a timer."""
    left: list[int] = []

    def leave() -> None:
        act.note("interrupts")
        left.append(1)
        raise Interruption(act.name)

    if act.chance(0.5):
        act.loop.call_soon(leave)
    else:
        act.loop.call_later(0.001, leave)
    act.defer(lambda: act.until(lambda: left, "an interruption"))


async def stop(act: Act) -> None:
    """Stop the loop, which is run again."""
    for _ in range(act.randomness.randrange(1, 4)):
        act.loop.stop()
        await act.breathe()
