"""What replaces asyncio.Handle._run, as profilers and watchdogs do, sees the callbacks."""

import asyncio
import contextlib
import functools
import os

import pytest

from tests.support.loops import run_turns
from tests.support.waiting import wait_until


class Watchdog:
    """Stands in the place of Handle._run and notes whose turn it was."""

    def __init__(self) -> None:
        self.own = asyncio.events.Handle._run
        self.names: list[str] = []

    def function(self):
        """Return what to put there: a function, so that it is bound to the handle."""

        def watched_run(handle: asyncio.Handle) -> None:
            self.names.append(getattr(handle._callback, "__name__", "?"))
            self.own(handle)

        return watched_run


@pytest.fixture
def watchdog(monkeypatch):
    """Replace the method for the time of the test."""
    watchdog = Watchdog()
    monkeypatch.setattr(asyncio.events.Handle, "_run", watchdog.function())
    return watchdog


def from_call_soon():
    pass


def from_call_later():
    pass


def from_threadsafe():
    pass


def test_handles_of_every_kind_are_seen(loop, watchdog):
    reader, writer = os.pipe()

    def from_add_reader():
        os.read(reader, 1)

    os.write(writer, b"x")
    loop.add_reader(reader, from_add_reader)
    loop.call_soon(from_call_soon)
    loop.call_later(0, from_call_later)
    loop.call_soon_threadsafe(from_threadsafe)
    run_turns(loop, 3)
    loop.remove_reader(reader)
    os.close(reader)
    os.close(writer)

    assert {
        "from_add_reader",
        "from_call_soon",
        "from_call_later",
        "from_threadsafe",
    } <= set(watchdog.names)


def test_cancelled_handles_are_not_seen(loop, watchdog):
    loop.call_soon(from_call_soon).cancel()
    loop.call_soon_threadsafe(from_threadsafe).cancel()
    run_turns(loop, 1)

    assert {"from_call_soon", "from_threadsafe"}.isdisjoint(watchdog.names)


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
def test_an_exception_of_the_callback_is_reported(loop, watchdog, debug):
    loop.set_debug(debug)
    reports = []
    loop.set_exception_handler(lambda _loop, context: reports.append(context))

    def fail():
        raise ValueError("on purpose")

    loop.call_soon(fail)
    run_turns(loop, 1)

    assert "fail" in watchdog.names
    assert [str(context["exception"]) for context in reports] == ["on purpose"]


def test_an_exception_of_the_replacement_leaves_run_forever(loop, monkeypatch):
    def broken_run(_handle):
        raise RuntimeError("on purpose")

    loop.call_soon(from_call_soon)
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.events.Handle, "_run", broken_run)
        with pytest.raises(RuntimeError, match="on purpose"):
            loop.run_forever()

    run_turns(loop, 1)


async def test_a_replacement_made_while_the_loop_runs_is_seen(monkeypatch):
    watchdog = Watchdog()
    monkeypatch.setattr(asyncio.events.Handle, "_run", watchdog.function())
    assert asyncio.events.Handle._run is not watchdog.own  # the look-up enters it into the cache

    await asyncio.sleep(0.001)
    asyncio.get_running_loop().call_soon(from_call_soon)
    await wait_until(lambda: "from_call_soon" in watchdog.names)


async def test_a_replacement_that_is_taken_back_sees_no_more(monkeypatch):
    watchdog = Watchdog()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.events.Handle, "_run", watchdog.function())
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.001)
    await asyncio.sleep(0.001)
    watchdog.names.clear()

    asyncio.get_running_loop().call_soon(from_call_soon)
    await asyncio.sleep(0.001)

    assert watchdog.names == []


def test_programs_run_as_ever(loop, watchdog):
    async def serve_and_ask():
        async def answer(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        line = await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        server.close()
        return line

    assert loop.run_until_complete(serve_and_ask()) == b"hello\n"
    assert watchdog.names


@pytest.mark.parametrize("wrapper", [functools.partialmethod, lambda function: function])
def test_a_replacement_is_bound_as_every_method_is(loop, monkeypatch, wrapper):
    watchdog = Watchdog()
    monkeypatch.setattr(asyncio.events.Handle, "_run", wrapper(watchdog.function()))
    loop.call_soon(from_call_soon)
    run_turns(loop, 1)

    assert "from_call_soon" in watchdog.names


def test_a_replacement_that_cannot_be_bound_is_called_without_the_handle(loop, monkeypatch):
    class Counter:
        def __call__(self):
            calls.append("called")

    calls = []
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.events.Handle, "_run", Counter())
        loop.call_soon(loop.stop)
        loop.call_soon(from_call_soon)
        loop.call_later(0, from_call_soon)
        loop._run_once()

    assert calls[:2] == ["called", "called"]
