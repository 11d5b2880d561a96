"""Clients that leave: what the application hears, and what the log does not say."""

import asyncio
import gc
import logging
import random

import pytest

from ngxloop.http import ClientDisconnected
from tests.http.serving import (
    GET,
    body,
    client,
    hello,
    plain_socket,
    post,
    read_body,
    serving,
    start,
)
from tests.probes.reactor import ReactorProbe
from tests.support.sockets import reset
from tests.support.waiting import DEADLINE, wait_until

CHUNK = bytes(10_000)


async def stream(scope, receive, send):
    """Send without end."""
    await send(start())
    while True:
        await send(body(CHUNK, True))
        await asyncio.sleep(0)


def records_of_ours(caplog):
    return [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_send_raises_once_the_client_has_reset_and_nothing_is_logged(caplog):
    raised = []

    async def application(scope, receive, send):
        try:
            await stream(scope, receive, send)
        except OSError as exc:
            raised.append(exc)
            raise

    async with serving(application) as served:
        async with client(served) as peer:
            peer.send(GET)
            await peer.reader.readuntil(b"\r\n\r\n")
            peer.reset()
        await wait_until(lambda: raised)
        await wait_until(lambda: not served.server.engine.tasks)
    assert type(raised[0]) is ClientDisconnected
    assert records_of_ours(caplog) == []


@pytest.mark.parametrize("wrapped", ["cause", "context", "group"])
async def test_a_disconnect_in_the_guise_of_a_framework_is_not_logged(wrapped, caplog):
    async def application(scope, receive, send):
        try:
            await stream(scope, receive, send)
        except OSError as exc:
            if wrapped == "cause":
                raise RuntimeError("the framework's own") from exc
            if wrapped == "group":
                raise ExceptionGroup("unhandled", [exc]) from None
            raise RuntimeError("the framework's own")  # noqa: B904

    async with serving(application) as served:
        async with client(served) as peer:
            peer.send(GET)
            await peer.reader.readuntil(b"\r\n\r\n")
        await wait_until(lambda: not served.server.engine.tasks)
    assert records_of_ours(caplog) == []


async def test_another_exception_after_the_client_has_left_is_logged(caplog):
    async def application(scope, receive, send):
        await read_body(receive)
        assert (await receive())["type"] == "http.disconnect"
        raise ValueError("a defect")

    async with serving(application) as served:
        async with client(served) as peer:
            peer.send(GET)
            await wait_until(lambda: served.server.engine.tasks)
        await wait_until(lambda: not served.server.engine.tasks)
    assert "ValueError: a defect" in caplog.text


@pytest.mark.parametrize("way", ["end", "reset", "half"])
async def test_receive_hears_that_the_client_leaves(way):
    heard = asyncio.Event()
    waits = asyncio.Event()

    async def application(scope, receive, send):
        await read_body(receive)
        waits.set()
        assert (await receive())["type"] == "http.disconnect"
        heard.set()

    async with serving(application) as served:
        with plain_socket(served) as sock:
            sock.send(GET)
            await waits.wait()
            if way == "reset":
                reset(sock)
            elif way == "half":
                sock.shutdown(1)
            else:
                sock.close()
            await heard.wait()


async def test_a_client_that_ends_its_half_gets_its_answers():
    async def application(scope, receive, send):
        await asyncio.sleep(0.05)
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        peer.send(GET * 3)
        peer.writer.write_eof()
        for _ in range(3):
            assert (await peer.answer()).body == b"hello"
        assert await peer.is_closed()


async def test_receive_hears_of_the_end_behind_a_pipelined_request():
    """Reading is paused: the next request waits."""
    heard = asyncio.Event()
    waits = asyncio.Event()

    async def application(scope, receive, send):
        await read_body(receive)
        waits.set()
        await receive()
        heard.set()

    async with serving(application) as served:
        async with client(served) as peer:
            peer.send(GET * 2)
            await waits.wait()
        await heard.wait()


async def test_a_known_disconnect_is_told_without_suspending():
    """Frameworks ask inside a scope that is cancelled beforehand."""
    polls = []
    left = asyncio.Event()

    async def application(scope, receive, send):
        await read_body(receive)
        await left.wait()
        waiting = receive()
        try:
            waiting.send(None)
        except StopIteration as stop:
            polls.append(stop.value)

    async with serving(application) as served:
        with plain_socket(served) as sock:
            sock.send(GET)
            await wait_until(lambda: served.server.engine.tasks)
            reset(sock)
        await wait_until(lambda: not served.server.engine.connections)
        left.set()
        await wait_until(lambda: polls)
    assert polls == [{"type": "http.disconnect"}]


async def test_the_clean_up_of_a_stream_runs_when_the_client_leaves():
    """As a framework does it: a task listens, another one streams."""
    cleaned = asyncio.Event()
    sleeps = asyncio.Event()

    async def numbers():
        try:
            yield b"1"
            sleeps.set()
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async def application(scope, receive, send):
        async def listen():
            while (await receive())["type"] != "http.disconnect":
                pass

        async def answer():
            await send(start())
            async for number in numbers():
                await send(body(number, True))

        tasks = [asyncio.create_task(listen()), asyncio.create_task(answer())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    async with serving(application) as served:
        async with client(served) as peer:
            peer.send(GET)
            await sleeps.wait()
        await asyncio.wait_for(cleaned.wait(), 5)


async def test_a_generator_ends_without_the_collector_when_send_raises(caplog):
    """Nothing of ours keeps the exception, and so the frames."""
    ended = asyncio.Event()

    async def chunks():
        try:
            while True:
                yield CHUNK
                await asyncio.sleep(0)
        finally:
            ended.set()

    async def application(scope, receive, send):
        await send(start())
        async for chunk in chunks():
            await send(body(chunk, True))

    gc.disable()
    try:
        async with serving(application) as served:
            async with client(served) as peer:
                peer.send(GET)
                await peer.reader.readuntil(b"\r\n\r\n")
            await asyncio.wait_for(ended.wait(), 5)
    finally:
        gc.enable()


async def test_clients_that_vanish_anywhere_harm_nobody():
    generator = random.Random(5)

    async def application(scope, receive, send):
        content = await read_body(receive) if generator.random() < 0.5 else b""
        await send(start())
        for _ in range(generator.randrange(4)):
            await send(body(CHUNK + content, True))
            await asyncio.sleep(0)
        await send(body())

    async def quietly(scope, receive, send):
        try:
            await application(scope, receive, send)
        except (AssertionError, OSError):
            return

    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + bytes(1000)
    async with serving(quietly) as served:
        for _ in range(1000):
            with plain_socket(served) as sock:
                sock.send(request[: generator.randrange(1, len(request) + 1)])
                for _ in range(generator.randrange(3)):
                    await asyncio.sleep(0)
                if generator.random() < 0.5:
                    reset(sock)
        async with client(served) as peer:
            peer.send(GET)
            assert (await peer.answer()).status == 200
        await wait_until(lambda: not served.server.engine.tasks)


async def test_an_answer_to_a_client_that_reads_nothing_is_not_taken():
    """send() waits, so that the memory stays small."""
    taken = 0

    async def application(scope, receive, send):
        nonlocal taken
        await send(start())
        while True:
            await send(body(bytes(1 << 20), True))
            taken += 1

    async with serving(application) as served, client(served) as peer:
        peer.writer.transport.pause_reading()
        peer.send(GET)
        await asyncio.sleep(0.3)
        assert 0 < taken < 16
        assert served.server.engine.tasks


@pytest.mark.parametrize(
    "asked",
    [
        GET,
        GET + b"\r\n",
        GET + GET,
        GET[:-2] + b"Connection: close\r\n\r\n",
        post(bytes(5))[:-1],
        post(bytes(5))[:-7] + b"Expect: 100-continue\r\n\r\n",
    ],
    ids=["one", "empty line", "two", "close", "unread", "continue"],
)
async def test_an_answer_may_end_when_below_tls_the_connection_is_lost_already(asked):
    probe = ReactorProbe(asyncio.get_running_loop())
    connection_counts = []

    async def application(scope, receive, send):
        used_count = probe.used_count
        served.server.engine.abort()
        while probe.used_count == used_count:
            await asyncio.sleep(0)
        connection_counts.append(served.server.engine.connection_count)
        await hello(scope, receive, send)

    async with serving(application, tls=True) as served, client(served, tls=True) as peer:
        peer.send(asked)
        await wait_until(lambda: connection_counts)
    assert connection_counts[0] == 1


SHORT = start(headers=[(b"content-length", b"10")])


@pytest.mark.parametrize(
    "messages",
    [[], [start()], [SHORT, body(b"a", True)], [SHORT, body(b"a", True), body(b"b")]],
    ids=["nothing", "no body", "returns too early", "too short"],
)
async def test_an_answer_that_is_not_complete_wakes_what_waits_for_its_end(messages):
    heard = asyncio.get_running_loop().create_future()

    async def listen(receive):
        heard.set_result(await receive())

    async def application(scope, receive, send):
        await read_body(receive)
        listener = asyncio.create_task(listen(receive))
        heard.add_done_callback(lambda _: listener)  # the task lives until then
        await asyncio.sleep(0)
        for message in messages:
            await send(message)

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        await peer.rest()
        async with asyncio.timeout(DEADLINE):
            assert await heard == {"type": "http.disconnect"}
