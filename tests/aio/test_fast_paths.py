"""The short ways around asyncio's Python code: in use on every supported Python, and reported.

A patch release of Python may rename what ngxloop recognises them by. Then they would be left out,
and nothing but these tests would tell.
"""

import asyncio
import contextlib
import contextvars
import fractions
import functools
import socket
import ssl
import subprocess
import sys
from unittest import mock

import pytest

from ngxloop import EventLoop
from tests.probes.scheduling import general_calls
from tests.support.busy_methods import BUSY_METHODS
from tests.support.streams import connected, one_exchange
from tests.support.waiting import DEADLINE, wait_until

ALL = {
    *BUSY_METHODS,
    "attributes",
    "clock",
    "connections",
    "epoll_pwait2",
    "handles",
    "pidfds",
    "recvmmsg",
    "sendmmsg",
    "stream_readers",
    "tls",
}


def lost(loop) -> set[str]:
    """Return the names of the short ways that are not in use."""
    found = loop.stats().fast_paths
    assert found <= ALL
    return ALL - found


def test_all_are_in_use_in_a_new_process_after_ordinary_work():
    program = """
import asyncio, ngxloop

async def answer(reader, writer):
    writer.write(await reader.readline())
    writer.close()

async def main():
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for host in ("127.0.0.1", "localhost"):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"hello\\n")
        assert await reader.read() == b"hello\\n"
        writer.close()
    await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    process = await asyncio.create_subprocess_exec("true")
    await process.wait()
    await asyncio.to_thread(int)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
    server.close()
    print(*sorted(loop.stats().fast_paths))

ngxloop.run(main())
"""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert set(result.stdout.split()) == ALL


def names_called(function) -> set[str]:
    """Return the names of the Python functions that are called meanwhile."""
    names = set()

    def note(frame, event, _):
        if event == "call":
            names.add(frame.f_code.co_name)

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return names


async def ordinary_work():
    """Do with asyncio what programs do; it calls the loop with arguments of all usual kinds."""
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue(1)

    async def produce():
        for number in range(3):
            await queue.put(number)

    async def consume():
        return [await queue.get() for _ in range(3)]

    async with asyncio.timeout(DEADLINE), asyncio.TaskGroup() as group:
        group.create_task(produce())
        consumer = group.create_task(consume())
    assert consumer.result() == [0, 1, 2]
    await asyncio.gather(asyncio.sleep(0.001), asyncio.to_thread(int))
    await asyncio.wait_for(asyncio.shield(asyncio.create_task(asyncio.sleep(0))), DEADLINE)
    await asyncio.wait([asyncio.ensure_future(asyncio.sleep(0))], timeout=DEADLINE)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(loop.create_future(), 0.001)
    assert await one_exchange(b"line\n", bytes.upper) == b"LINE\n"
    process = await asyncio.create_subprocess_exec("true", stdout=subprocess.PIPE)
    await process.communicate()
    done = loop.create_future()
    loop.call_at(loop.time(), done.set_result, None)
    await done
    context = contextvars.copy_context()
    ended = asyncio.Event()
    loop.call_soon(ended.set, context=context)
    loop.call_later(0, ended.set, context=context)
    loop.call_later(1, print, 1, 2, 3).cancel()
    await ended.wait()


def test_what_asyncio_and_programs_usually_call_takes_the_fast_path(loop):
    with general_calls() as counts:
        loop.run_until_complete(ordinary_work())

    assert set(counts.values()) == {0}


def test_unusual_calls_are_left_to_the_general_code(loop):
    async def main():
        loop.call_soon(callback=print).cancel()
        loop.call_soon_threadsafe(callback=print).cancel()
        loop.call_later(fractions.Fraction(1), print).cancel()
        loop.call_at(when=loop.time(), callback=print).cancel()
        await loop.create_task(asyncio.sleep(0), name="named")

    with general_calls() as counts:
        loop.run_until_complete(main())

    assert set(counts.values()) == {1}


def test_create_connection_runs_none_of_asyncios_steps(loop):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transports = []

        async def connect():
            transport, _ = await loop.create_connection(asyncio.Protocol, *listener.getsockname())
            transports.append(transport)

        names = names_called(lambda: loop.run_until_complete(connect()))
        transports[0].abort()
        loop.run_until_complete(asyncio.sleep(0))

    assert names.isdisjoint({"_ensure_resolved", "_connect_sock", "_create_connection_transport"})


async def test_stream_reader_is_fed_by_none_of_asyncios_methods():
    reader = asyncio.StreamReader()
    async with connected(lambda: asyncio.StreamReaderProtocol(reader)) as (_, _, peer):
        peer.send(b"data")
        names = set()
        sys.setprofile(lambda frame, _event, _argument: names.add(frame.f_code.co_name))
        try:
            assert await reader.read(100) == b"data"
        finally:
            sys.setprofile(None)

    assert names.isdisjoint({"data_received", "feed_data", "_wakeup_waiter"})


def test_debug_mode_takes_the_long_way(loop):
    loop.set_debug(True)

    assert lost(loop) == {
        "call_at",
        "call_later",
        "call_soon",
        "call_soon_threadsafe",
        "connections",
        "create_task",
        "handles",
    }


@pytest.mark.parametrize(
    "touch",
    [
        lambda loop: setattr(loop, "mine", 1),
        vars,
        lambda loop: loop.__dict__.update(mine=1),
        lambda loop: setattr(loop, "__dict__", {}),
    ],
    ids=["attribute", "vars", "update", "dictionary"],
)
def test_an_attribute_of_the_programs_is_noticed(loop, touch):
    assert lost(loop) == set()

    touch(loop)

    assert lost(loop) == {"attributes"}


@pytest.mark.parametrize("name", BUSY_METHODS)
def test_a_replaced_method_is_noticed(loop, name):
    original = getattr(EventLoop, name)
    with mock.patch.object(EventLoop, name, functools.partialmethod(original)):
        assert name in lost(loop)
    assert lost(loop) == set()

    setattr(loop, name, getattr(loop, name))
    assert name in lost(loop)


def test_a_class_of_the_programs_has_what_it_does_not_override():
    class Loop(EventLoop):
        def call_soon(self, callback, *args, context=None):
            return super().call_soon(callback, *args, context=context)

    loop = Loop()
    try:
        assert lost(loop) == {"call_soon"}
    finally:
        loop.close()


def test_a_replaced_class_of_tasks_or_futures_is_noticed(loop, monkeypatch):
    monkeypatch.setattr(asyncio.tasks, "Task", type("Task", (asyncio.Task,), {}))
    monkeypatch.setattr(asyncio.futures, "Future", type("Future", (asyncio.Future,), {}))

    assert lost(loop) == {"create_future", "create_task"}


@pytest.mark.parametrize("name", ["read", "write"])
def test_a_replaced_method_of_ssl_is_noticed(loop, name):
    with mock.patch.object(ssl.SSLObject, name):
        assert lost(loop) == {"tls"}
    assert lost(loop) == set()


def test_attributes_of_the_programs_own_are_kept(loop):
    loop.mine = 1
    vars(loop)["yours"] = 2

    assert (loop.mine, loop.yours, vars(loop)) == (1, 2, {"mine": 1, "yours": 2})
    del loop.mine
    assert not hasattr(loop, "mine")


def test_attributes_of_asyncios_need_no_dictionary(loop):
    loop.set_task_factory(None)
    loop.set_exception_handler(None)
    loop.slow_callback_duration = 1

    assert lost(loop) == set()


@pytest.mark.parametrize(
    "replace",
    [
        lambda loop: mock.patch.object(loop, "getaddrinfo"),
        lambda loop: mock.patch.dict(vars(loop), {"sock_connect": None}),
        lambda _loop: mock.patch.object(EventLoop, "_ensure_resolved"),
        lambda _loop: mock.patch.object(socket, "socket"),
        lambda _loop: mock.patch.object(socket.socket, "connect"),
    ],
    ids=["method", "dictionary", "class", "socket_class", "socket_method"],
)
def test_a_replaced_step_of_connecting_is_noticed(loop, replace):
    with replace(loop):
        assert "connections" in lost(loop)
    assert "connections" not in lost(loop)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (asyncio.StreamReaderProtocol, "data_received"),
        (asyncio.StreamReader, "feed_data"),
        (asyncio.StreamReader, "_wakeup_waiter"),
    ],
    ids=["data_received", "feed_data", "wakeup_waiter"],
)
def test_a_replaced_method_of_the_streams_is_noticed(loop, owner, name):
    with mock.patch.object(owner, name):
        assert lost(loop) == {"stream_readers"}
    assert lost(loop) == set()


def test_a_clock_of_the_programs_is_noticed(loop):
    loop.time = lambda: 0.0

    assert {"call_later", "clock"} <= lost(loop)


def test_a_task_factory_is_noticed(loop):
    loop.set_task_factory(lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))

    assert lost(loop) == {"create_task"}


def test_a_slow_callback_hook_is_noticed(loop):
    loop.set_slow_callback_hook(print, 1)
    assert lost(loop) == {"handles"}

    loop.set_slow_callback_hook(None)
    assert lost(loop) == set()


async def test_a_replaced_run_method_of_handles_is_noticed(monkeypatch):
    loop = asyncio.get_running_loop()
    run = asyncio.events.Handle._run
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.events.Handle, "_run", functools.partialmethod(run))
        await wait_until(lambda: "handles" in lost(loop))
    await wait_until(lambda: "handles" not in lost(loop))
