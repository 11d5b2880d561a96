"""A closed loop is freed with its last reference, without the collector."""

import asyncio
import gc
import weakref

import pytest

from tests.core.conftest import make_loop


def make_future(loop):
    loop.create_future()


def make_future_after_a_run(loop):
    loop.run_until_complete(asyncio.sleep(0))
    loop.create_future()


def make_task_in_a_run(loop):
    async def work():
        loop.create_future()
        await asyncio.create_task(asyncio.sleep(0))

    loop.run_until_complete(work())


def make_future_when_closed(loop):
    loop.close()
    loop.create_future()


def ask_for_views_when_closed(loop):
    loop.close()
    assert list(loop._ready) == list(loop._scheduled) == []
    assert loop._selector.get_map() == {}


def append_when_closed(loop):
    handle = loop.call_soon(int)
    loop._ready.popleft()
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop._ready.append(handle)


@pytest.mark.parametrize(
    "use",
    [
        make_future,
        make_future_after_a_run,
        make_task_in_a_run,
        make_future_when_closed,
        ask_for_views_when_closed,
        append_when_closed,
    ],
)
def test_a_closed_loop_is_freed_at_once(use):
    loop = make_loop()
    gone = weakref.ref(loop)
    gc.collect()
    gc.disable()
    try:
        use(loop)
        loop.close()
        del loop
        assert gone() is None
    finally:
        gc.enable()
