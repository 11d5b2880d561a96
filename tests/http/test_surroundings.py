"""The surroundings in which an application runs: its task, its context, and nested turns."""

import asyncio
import contextvars

import pytest

from tests.http.serving import (
    GET,
    body,
    client,
    hello,
    post,
    read_body,
    serving,
    start,
)

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="default")


async def test_an_application_runs_in_a_task_of_its_own():
    tasks = []

    async def application(scope, receive, send):
        tasks.append(asyncio.current_task())
        async with asyncio.timeout(5):
            await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        for _ in range(2):
            peer.send(GET)
            assert (await peer.answer()).status == 200
    assert all(type(task) is asyncio.Task for task in tasks)
    assert tasks[0] is not tasks[1]
    assert asyncio.current_task() not in tasks


async def test_a_task_factory_that_is_set_is_used():
    made = []

    class Task(asyncio.Task):
        pass

    def factory(loop, coroutine, **options):
        made.append(Task(coroutine, loop=loop, **options))
        return made[-1]

    tasks = []

    async def application(scope, receive, send):
        tasks.append(asyncio.current_task())
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        asyncio.get_running_loop().set_task_factory(factory)
        peer.send(GET)
        assert (await peer.answer()).status == 200
        asyncio.get_running_loop().set_task_factory(None)
    assert type(tasks[0]) is Task


@pytest.mark.parametrize("suspends", [False, True])
async def test_no_context_is_seen_by_the_next_request(suspends):
    seen = []

    async def application(scope, receive, send):
        seen.append(VARIABLE.get())
        VARIABLE.set("of a request")
        await read_body(receive)
        if suspends:
            await asyncio.sleep(0)
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        peer.send(post(bytes(1_000_000), GET + GET))
        for _ in range(3):
            await peer.answer()
    assert seen == ["default"] * 3


async def test_no_request_begins_on_the_stack_of_another():
    depth = 0
    deepest = 0

    async def application(scope, receive, send):
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        await send(start())
        await send(body(b"hello"))
        depth -= 1

    async with serving(application) as served, client(served) as peer:
        peer.send(GET * 100)
        for _ in range(100):
            assert (await peer.answer()).body == b"hello"
    assert deepest == 1


async def test_a_request_that_ends_its_answer_early_delays_no_other():
    late = asyncio.Event()

    async def application(scope, receive, send):
        await hello(scope, receive, send)
        await late.wait()

    async with serving(application) as served, client(served) as peer:
        peer.send(GET * 3)
        for _ in range(3):
            assert (await peer.answer()).body == b"hello"
        late.set()


async def test_two_pipelined_requests_that_take_long_are_both_answered():
    async def application(scope, receive, send):
        await asyncio.sleep(0.3)
        await hello(scope, receive, send)

    async with serving(application, timeout_keep_alive=0.1) as served, client(served) as peer:
        peer.send(GET * 2)
        assert (await peer.answer()).body == b"hello"
        assert (await peer.answer()).body == b"hello"
        assert await peer.is_closed()


async def test_a_plain_function_may_be_an_application():
    def application(scope, receive, send):
        assert asyncio.current_task() is not None
        return hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).body == b"hello"


async def test_a_nested_turn_in_an_application_serves_others_and_loses_no_byte():
    """The memory of a receive is used again by the nested turns."""
    loop = asyncio.get_running_loop()
    inner = []

    async def application(scope, receive, send):
        if scope["path"] == "/outer" and not inner:
            inner.append(None)
            turn_until_done(loop, loop.create_task(other()))
        content = await read_body(receive)
        await send(start())
        await send(body(content))

    async def other():
        async with client(served) as second:
            second.send(post(b"inner" * 100))
            inner[0] = (await second.answer()).body

    async with serving(application) as served, client(served) as peer:
        peer.send(post(b"outer one", post(b"outer two")).replace(b"/ ", b"/outer "))
        assert (await peer.answer()).body == b"outer one"
        assert (await peer.answer()).body == b"outer two"
    assert inner == [b"inner" * 100]


def turn_until_done(loop, task):
    """Turn the loop inside of a task, as nest_asyncio does."""
    current = asyncio.current_task()
    asyncio.tasks._leave_task(loop, current)
    try:
        while not task.done():
            loop._run_once()
    finally:
        asyncio.tasks._enter_task(loop, current)


async def test_receive_and_send_are_coroutines_to_those_that_ask():
    async def application(scope, receive, send):
        message = await asyncio.create_task(receive())
        assert message["type"] == "http.request"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.01)
        await asyncio.gather(send(start()))
        await asyncio.wait_for(send(body(b"he", True)), 5)
        await asyncio.ensure_future(send(body(b"llo")))
        assert (await receive())["type"] == "http.disconnect"

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).body == b"hello"


async def test_an_awaitable_of_receive_is_awaited_once():
    async def application(scope, receive, send):
        waiting = receive()
        await waiting
        with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
            await waiting
        await hello(scope, receive, send)

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert (await peer.answer()).status == 200
