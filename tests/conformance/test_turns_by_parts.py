"""What packages rely on that turn the loop by themselves: its turns and its selector."""

import asyncio
import selectors
import threading

import pytest

from tests.support import loops
from tests.support.sockets import LOOPBACK, unix_pair
from tests.support.streams import one_exchange
from tests.support.tls import client_context, server_context
from tests.support.turning import run_by_parts, turn_by_parts
from tests.support.waiting import DEADLINE


def test_callbacks_run_in_their_order_and_what_they_add_in_the_next_turn(loop):
    seen = []
    loop.call_soon(lambda: (seen.append(1), loop.call_soon(seen.append, 3)))
    loop.call_soon(seen.append, 2)
    cancelled = loop.call_soon(seen.append, "cancelled")
    cancelled.cancel()

    turn_by_parts(loop)
    assert seen == [1, 2]

    turn_by_parts(loop)
    assert seen == [1, 2, 3]


def test_timers_fire_in_their_order_and_never_early(loop):
    seen = []
    now = loop.time()
    for delay in (0.03, 0.01, 0.02, 0.01):
        loop.call_at(now + delay, lambda delay=delay: seen.append((delay, loop.time() - now)))
    loop.call_later(0.005, seen.append, "cancelled").cancel()

    while loop._scheduled:
        turn_by_parts(loop)

    assert [delay for delay, _ in seen] == [0.01, 0.01, 0.02, 0.03]
    assert all(late >= delay - 1e-6 for delay, late in seen)


def test_a_reader_is_called_while_its_file_is_readable(loop):
    seen = []
    with unix_pair() as (ours, peer):
        loop.add_reader(ours, lambda: seen.append(ours.recv(1)))
        peer.send(b"abc")
        for _ in range(3):
            turn_by_parts(loop)
        loop.remove_reader(ours)

    assert seen == [b"a", b"b", b"c"]


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
def test_streams_and_servers_work(loop, secure):
    async def upper(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()
        await writer.wait_closed()
        served.set_result(None)

    served = loop.create_future()

    async def main():
        server = await asyncio.start_server(
            upper, LOOPBACK, 0, ssl=server_context() if secure else None
        )
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(),
            ssl=client_context() if secure else None,
            server_hostname="localhost" if secure else None,
        )
        answers = []
        for word in (b"one\n", b"two\n"):
            writer.write(word)
            answers.append(await reader.readline())
        writer.close()
        await writer.wait_closed()
        await served
        server.close()
        await server.wait_closed()
        return answers

    assert run_by_parts(loop, main()) == [b"ONE\n", b"TWO\n"]


def test_gather_and_wait_for_work(loop):
    async def slow(number):
        await asyncio.sleep(0.001 * number)
        return number

    async def main():
        return await asyncio.wait_for(asyncio.gather(*map(slow, range(5))), DEADLINE)

    assert run_by_parts(loop, main()) == [0, 1, 2, 3, 4]


def test_another_thread_ends_the_wait(loop):
    seen = []

    def wake():
        loop.call_soon_threadsafe(seen.append, "woken")

    threading.Timer(0.05, wake).start()
    guard = loop.call_later(DEADLINE, seen.append, "too late")
    while not seen:
        turn_by_parts(loop)
    guard.cancel()

    assert seen == ["woken"]


def test_write_to_self_ends_the_wait(loop):
    threading.Timer(0.05, loop._write_to_self).start()

    loop._process_events(loop._selector.select(DEADLINE))  # returns: the test would time out


def test_select_does_not_wait_longer_than_it_is_told(loop):
    loop.call_later(DEADLINE, print)

    assert loop._selector.select(0) == []
    assert loop._selector.select(-1) == []
    assert loop._selector.select(0.001) == []


def test_select_returns_what_has_happened(loop):
    with unix_pair() as (ours, peer):
        loop.add_reader(ours, print)
        peer.send(b"x")
        ((key, mask),) = loop._selector.select(DEADLINE)
        assert (key.fd, mask) == (ours.fileno(), selectors.EVENT_READ)
        loop.remove_reader(ours)


def test_the_selector_shows_what_is_watched(loop):
    with unix_pair() as (ours, _):
        loop.add_reader(ours, print)
        loop.add_writer(ours, print)
        key = loop._selector.get_map()[ours.fileno()]
        assert key == loop._selector.get_key(ours)
        assert key.events == selectors.EVENT_READ | selectors.EVENT_WRITE
        loop.remove_reader(ours)
        loop.remove_writer(ours)


def test_an_exception_of_a_callback_is_reported(loop):
    loop.call_soon(lambda: 1 / 0)

    turn_by_parts(loop)

    (report,) = loops.reports
    loops.reports.clear()
    assert isinstance(report["exception"], ZeroDivisionError)


def test_an_exit_leaves_the_rest_ready(loop):
    seen = []

    def leave():
        raise KeyboardInterrupt

    loop.call_soon(leave)
    loop.call_soon(seen.append, "rest")
    with pytest.raises(KeyboardInterrupt):
        turn_by_parts(loop)
    turn_by_parts(loop)

    assert seen == ["rest"]


def test_a_task_takes_no_step_inside_the_step_of_another_one(loop):
    """What turns the loop inside a task, a finalizer perhaps, makes other tasks wait for ever."""

    async def step():
        pass

    async def main():
        coroutine = step()
        task = loop.create_task(coroutine)
        task._log_destroy_pending = False
        turn_by_parts(loop)
        coroutine.close()
        return task.done()

    assert run_by_parts(loop, main()) is False
    (report,) = loops.reports
    loops.reports.clear()
    assert "while another task" in str(report["exception"])


# ---- a select() of the program's


def test_a_replaced_select_is_asked_by_each_turn(loop):
    timeouts = []
    original = loop._selector.select

    def select(timeout):
        timeouts.append(timeout)
        if len(timeouts) == 2:
            loop.call_soon(loop.stop)
        return original(0)

    loop._selector.select = select
    loop.call_soon(lambda: None)
    guard = loop.call_later(DEADLINE, pytest.fail, "nobody has waited")
    loop.run_forever()
    guard.cancel()

    assert timeouts[0] == 0
    assert 0 < timeouts[1] <= DEADLINE


def test_a_replaced_select_without_a_timer_is_told_to_wait_for_ever(loop):
    timeouts = []

    def select(timeout):
        timeouts.append(timeout)
        loop.call_soon(loop.stop)
        return []

    loop._selector.select = select
    loop.run_forever()

    assert timeouts[0] is None


def test_a_select_that_is_put_back_is_the_loop_s_own_again(loop):
    original = loop._selector.select
    loop._selector.select = lambda timeout: pytest.fail("was put back")
    loop._selector.select = original
    loop.call_later(0.001, loop.stop)

    loop.run_forever()


def test_a_clock_that_select_moves_drives_the_timers(loop):
    now = 0.0
    original = loop._selector.select
    seen = []

    def select(timeout):
        nonlocal now
        now += timeout or 0
        return original(0)

    loop.time = lambda: now
    loop._selector.select = select
    for delay in (0.1 + 0.2, 1000.0, 0.1):
        loop.call_later(delay, seen.append, delay)
    loop.call_later(2000, loop.stop)
    loop.run_forever()

    assert seen == [0.1, 0.1 + 0.2, 1000.0]
    assert now == pytest.approx(2000)


def test_sockets_work_with_a_replaced_select(loop):
    original = loop._selector.select

    def select(timeout):
        return original(timeout)

    loop._selector.select = select

    assert loop.run_until_complete(one_exchange(b"word\n", bytes.upper)) == b"WORD\n"


def test_create_future_makes_what_asyncio_futures_names(loop, monkeypatch):
    class Future(asyncio.Future):
        pass

    monkeypatch.setattr(asyncio.futures, "Future", Future)

    assert type(loop.create_future()) is Future
