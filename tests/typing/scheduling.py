"""Callbacks, timers and fds, as a user who checks types strictly writes them; see running.py."""

import asyncio
import contextvars
import signal
import socket
from typing import assert_type

import ngxloop


def greet(name: str, times: int) -> None:
    print(name * times)


loop = ngxloop.new_event_loop()

assert_type(loop.call_soon(greet, "hello", 2), asyncio.Handle)
assert_type(loop.call_soon_threadsafe(greet, "hello", 2), asyncio.Handle)
assert_type(loop.call_later(0.5, greet, "hello", 2), asyncio.TimerHandle)
timer = loop.call_at(loop.time() + 1, greet, "hello", 2, context=contextvars.copy_context())
assert_type(timer, asyncio.TimerHandle)
assert_type(timer.when(), float)
assert_type(loop.time(), float)
assert_type(loop.get_debug(), bool)
loop.slow_callback_duration = 0.05

one, other = socket.socketpair()
loop.add_reader(one, greet, "hello", 2)
loop.add_writer(other.fileno(), greet, "hello", 2)
assert_type(loop.remove_reader(one), bool)
assert_type(loop.remove_writer(other), bool)
loop.add_signal_handler(signal.SIGHUP, greet, "hello", 2)
assert_type(loop.remove_signal_handler(signal.SIGHUP), bool)


async def receive() -> None:
    assert_type(await loop.sock_recv(one, 100), bytes)
    assert_type(await loop.sock_recv_into(one, bytearray(10)), int)
    await loop.sock_sendall(other, b"hello")
    connection, _ = await loop.sock_accept(one)
    assert_type(connection, socket.socket)


loop.call_soon(greet, "hello")  # type: ignore[arg-type]
loop.call_later("soon", greet, "hello", 2)  # type: ignore[arg-type]
loop.add_reader(one, greet, 2, "hello")  # type: ignore[arg-type]
