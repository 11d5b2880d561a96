"""stats() and set_slow_callback_hook()."""

import asyncio
import contextlib
import logging
import subprocess
import sys
import time
from typing import get_type_hints

import pytest

from ngxloop import LoopStats
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import unix_pair
from tests.support.streams import address_of, connected, serving
from tests.support.waiting import turns, wait_until

# How long a slow callback takes, and from when on a callback counts as slow, in seconds. A callback
# that does nothing can take longer than the latter on a busy machine, so none is said not to.
SLOW = 0.02
THRESHOLD = 0.01


def grown(before: LoopStats, after: LoopStats) -> dict[str, int]:
    """Return by how much each count has grown."""
    fields = zip(before._fields, before, after, strict=True)
    return {name: new - old for name, old, new in fields if type(new) is int}


async def test_every_field_is_a_number_or_a_set_of_names_and_documented():
    stats = asyncio.get_running_loop().stats()

    assert isinstance(stats, LoopStats)
    hints = get_type_hints(LoopStats)
    assert set(hints) == set(stats._fields)
    for name, value in stats._asdict().items():
        expected = frozenset if name == "fast_paths" else int
        assert type(value) is expected, name


async def test_turns_and_polls_are_counted():
    loop = asyncio.get_running_loop()
    before = loop.stats()

    await turns(10)

    growth = grown(before, loop.stats())
    assert growth["turn_count"] == 10
    assert growth["poll_count"] + growth["skipped_poll_count"] == 10


async def test_turns_without_anything_to_poll_are_told_apart(loop):
    def run_turns():
        for _ in range(10):
            loop.call_soon(loop.stop)
            loop.run_forever()

    before = loop.stats()
    await asyncio.to_thread(run_turns)
    growth = grown(before, loop.stats())

    assert (growth["poll_count"], growth["skipped_poll_count"]) == (0, 10)


async def test_what_is_ready_and_armed_is_counted():
    loop = asyncio.get_running_loop()
    before = loop.stats()
    handles = [loop.call_later(3600, print) for _ in range(3)]
    handles += [loop.call_soon(print) for _ in range(2)]

    growth = grown(before, loop.stats())
    for handle in handles:
        handle.cancel()

    assert (growth["timer_count"], growth["ready_count"]) == (3, 2)
    assert loop.stats().timer_count == before.timer_count


def test_what_a_turn_has_run_is_not_ready_any_more(loop):
    seen = []
    for _ in range(3):
        loop.call_soon(lambda: seen.append(loop.stats().ready_count))
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()

    assert seen == [3, 2, 1]
    assert loop.stats().ready_count == 0


def test_cancelled_handles_are_not_ready_after_a_turn(loop):
    handles = [loop.call_soon(print) for _ in range(3)]
    loop.call_soon(handles[2].cancel)
    loop.call_soon(handles[0].cancel)
    handles[0].cancel()
    handles[1].cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()

    assert loop.stats().ready_count == 0


ENDLESS = """
import ngxloop
from tests.probes.reactor import ReactorProbe

loop = ngxloop.new_event_loop()
loop.call_soon(print)
loop.call_soon(print)
stats = ReactorProbe(loop).call_with_endless_queue(loop.stats)
print(stats.ready_count)
loop.close()
"""


def test_stats_follows_no_link_of_the_ready_queue():
    result = subprocess.run(
        [sys.executable, "-c", ENDLESS], capture_output=True, text=True, timeout=60, check=True
    )

    assert result.stdout == "2\n"


async def test_connections_and_their_bytes_are_counted():
    loop = asyncio.get_running_loop()
    before = loop.stats()

    async with connected() as (transport, protocol, peer):
        transport.write(b"x" * 1000)
        transport.get_write_buffer_size()  # sends
        peer.send(b"y" * 300)
        await wait_until(lambda: len(protocol.received) == 300)
        growth = grown(before, loop.stats())

    assert growth["connection_count"] == 1
    assert growth["sent_bytes"] == 1000
    assert growth["received_bytes"] == 300
    assert loop.stats().connection_count == before.connection_count
    assert loop.stats().connection_count_max >= before.connection_count + 1


async def test_accepted_connections_are_counted():
    loop = asyncio.get_running_loop()
    before = loop.stats()
    async with serving(RecordingProtocol) as server:
        clients = [
            await loop.create_connection(asyncio.Protocol, *address_of(server)) for _ in range(3)
        ]
        await wait_until(lambda: grown(before, loop.stats())["accept_count"] == 3)
        for transport, _ in clients:
            transport.abort()
        await wait_until(lambda: grown(before, loop.stats())["connection_count"] == 1)


async def test_sockets_that_were_waited_for_and_closed_do_not_count():
    loop = asyncio.get_running_loop()
    before = loop.stats()
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            pairs = [stack.enter_context(unix_pair()) for _ in range(10)]
            waits = [asyncio.ensure_future(loop.sock_recv(ours, 10)) for ours, _ in pairs]
            await turns(2)
            assert grown(before, loop.stats())["connection_count"] == 10
            for _, peer in pairs:
                peer.send(b"x")
            await asyncio.gather(*waits)

            assert loop.stats().connection_count == before.connection_count
        assert loop.stats().connection_count == before.connection_count
    assert loop.stats().connection_count_max <= max(
        before.connection_count_max, before.connection_count + 10
    )


def test_stats_of_a_closed_loop_hold_nothing(loop):
    loop.call_later(3600, print)
    loop.close()

    stats = loop.stats()

    assert (stats.timer_count, stats.ready_count, stats.connection_count) == (0, 0, 0)


async def test_hook_is_told_of_a_slow_callback():
    loop = asyncio.get_running_loop()
    seen = []
    before = loop.stats().slow_callback_count
    loop.set_slow_callback_hook(lambda source, seconds: seen.append((source, seconds)), THRESHOLD)

    handle = loop.call_soon(time.sleep, SLOW)
    await wait_until(lambda: any(source is handle for source, _ in seen))
    loop.set_slow_callback_hook(None)

    assert all(isinstance(source, asyncio.Handle) for source, _ in seen)
    assert next(seconds for source, seconds in seen if source is handle) >= SLOW
    assert loop.stats().slow_callback_count - before == len(seen)


async def test_hook_sees_the_callback_that_was_slow():
    loop = asyncio.get_running_loop()
    seen = []
    loop.set_slow_callback_hook(lambda source, _: seen.append(repr(source)), THRESHOLD)

    loop.call_soon(time.sleep, SLOW)
    await wait_until(lambda: any("sleep" in text for text in seen))
    loop.set_slow_callback_hook(None)


async def test_hook_is_told_of_a_slow_connection():
    class Slow(RecordingProtocol):
        def data_received(self, data):
            time.sleep(SLOW)

    loop = asyncio.get_running_loop()
    seen = []
    loop.set_slow_callback_hook(lambda source, _: seen.append(source), THRESHOLD)

    async with connected(Slow) as (transport, _, peer):
        peer.send(b"x")
        await wait_until(lambda: transport in seen)
    loop.set_slow_callback_hook(None)


async def test_hook_that_is_removed_hears_no_more():
    loop = asyncio.get_running_loop()
    loop.set_slow_callback_hook(lambda *_: pytest.fail("was removed"), THRESHOLD)
    loop.set_slow_callback_hook(None)
    count = loop.stats().slow_callback_count

    loop.call_soon(time.sleep, SLOW)
    await turns(3)

    assert loop.stats().slow_callback_count == count


async def test_hook_that_raises_is_reported_and_called_again(reports):
    loop = asyncio.get_running_loop()

    def hook(source, seconds):
        raise ZeroDivisionError

    loop.set_slow_callback_hook(hook, 0)
    await turns(3)
    loop.set_slow_callback_hook(None)

    assert len(reports) >= 2
    assert all("slow-callback hook" in report["message"] for report in reports)
    assert all(type(report["exception"]) is ZeroDivisionError for report in reports)
    reports.clear()


async def test_debug_mode_and_hook_each_have_a_threshold_of_their_own(caplog):
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 3600
    seen = []
    loop.set_slow_callback_hook(lambda source, _: seen.append(source), THRESHOLD)

    with caplog.at_level(logging.WARNING, "asyncio"):
        handle = loop.call_soon(time.sleep, SLOW)
        await wait_until(lambda: handle in seen)
    loop.set_slow_callback_hook(None)
    loop.set_debug(False)

    assert "Executing" not in caplog.text


@pytest.mark.parametrize(
    ("hook", "seconds", "error"),
    [("no function", 1, TypeError), (print, -1, ValueError), (print, float("nan"), ValueError)],
    ids=["not_callable", "negative", "nan"],
)
def test_wrong_arguments_are_refused(loop, hook, seconds, error):
    with pytest.raises(error):
        loop.set_slow_callback_hook(hook, seconds)
