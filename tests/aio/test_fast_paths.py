"""The short ways around asyncio's Python code: in use on every supported Python, and reported.

A patch release of Python may rename what ngxloop recognises them by. Then they would be left out,
and nothing but these tests would tell.
"""

import asyncio
import functools
import socket
import subprocess
import sys
from unittest import mock

import pytest

from ngxloop import EventLoop
from tests.support.streams import connected
from tests.support.waiting import wait_until

ALL = {"attributes", "clock", "connections", "handles", "stream_readers", "tasks"}


def lost(loop) -> set[str]:
    """Return the names of the short ways that are not in use."""
    return ALL - loop.stats().fast_paths


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

    assert lost(loop) == {"connections", "handles", "tasks"}


@pytest.mark.parametrize(
    "touch",
    [
        lambda loop: setattr(loop, "mine", 1),
        lambda loop: setattr(loop, "call_soon", loop.call_soon),
        vars,
        lambda loop: loop.__dict__.update(mine=1),
        lambda loop: setattr(loop, "__dict__", {}),
    ],
    ids=["attribute", "method", "vars", "update", "dictionary"],
)
def test_an_attribute_of_the_programs_is_noticed(loop, touch):
    assert lost(loop) == set()

    touch(loop)

    assert lost(loop) == {"attributes"}


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

    assert "clock" in lost(loop)


def test_a_task_factory_is_noticed(loop):
    loop.set_task_factory(lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))

    assert lost(loop) == {"tasks"}


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
