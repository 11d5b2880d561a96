"""Does a loop do the work that is counted? A check for each kind of operation that leaves no trace.

Each raises WorkNotDoneError if it does not: the loop is out of that question. Checks are about
doing the work, not about the details of asyncio's promises.
"""

import asyncio
import threading

COUNT = 1000
SOON_SECONDS = 0.001
LONG_SECONDS = 10.0


class WorkNotDoneError(Exception):
    """A loop has not done what it was asked to do; the text says what."""


def require(is_done: bool, what: str) -> None:
    """Raise WorkNotDoneError unless the work was done."""
    if not is_done:
        raise WorkNotDoneError(what)


async def callbacks_run_once_in_order(loop: asyncio.AbstractEventLoop) -> None:
    """Check call_soon()."""
    seen: list[int] = []
    for i in range(COUNT):
        loop.call_soon(seen.append, i)
    await asyncio.sleep(SOON_SECONDS)
    require(seen == list(range(COUNT)), "call_soon() does not run each callback once, in order")


async def callbacks_of_threads_run_once(loop: asyncio.AbstractEventLoop) -> None:
    """Check call_soon_threadsafe(), while the loop runs and while it sleeps."""
    seen: list[int] = []
    done = asyncio.Event()

    def call() -> None:
        for i in range(COUNT):
            loop.call_soon_threadsafe(seen.append, i)
        loop.call_soon_threadsafe(done.set)

    thread = threading.Thread(target=call)
    thread.start()
    await done.wait()
    thread.join()
    require(seen == list(range(COUNT)), "call_soon_threadsafe() does not run each callback once")


async def timers_fire_unless_cancelled(loop: asyncio.AbstractEventLoop) -> None:
    """Check call_later() and cancel()."""
    seen: list[str] = []
    fired = asyncio.Event()
    loop.call_later(SOON_SECONDS, seen.append, "cancelled").cancel()
    loop.call_later(SOON_SECONDS, seen.append, "kept")
    loop.call_later(2 * SOON_SECONDS, fired.set)
    await fired.wait()
    require(seen == ["kept"], "call_later() or cancel() has no effect")


async def tasks_run_to_their_end(loop: asyncio.AbstractEventLoop) -> None:
    """Check create_task(): a task begins in a later turn and returns its coroutine's result."""
    seen: list[int] = []

    async def step(number: int) -> int:
        seen.append(number)
        await asyncio.sleep(0)
        return number

    tasks = [loop.create_task(step(i)) for i in range(COUNT)]
    require(not seen, "create_task() runs the coroutine at once")
    results = [await task for task in tasks]
    require(seen == results == list(range(COUNT)), "create_task() does not run each coroutine")


async def waits_time_out(_loop: asyncio.AbstractEventLoop) -> None:
    """Check asyncio.timeout() and asyncio.wait_for()."""
    try:
        async with asyncio.timeout(SOON_SECONDS):
            await asyncio.sleep(LONG_SECONDS)
    except TimeoutError:
        pass
    else:
        raise WorkNotDoneError("asyncio.timeout() does not end its block")
    try:
        await asyncio.wait_for(asyncio.sleep(LONG_SECONDS), SOON_SECONDS)
    except TimeoutError:
        return
    raise WorkNotDoneError("asyncio.wait_for() does not end the wait")


async def executor_runs_functions(loop: asyncio.AbstractEventLoop) -> None:
    """Check run_in_executor()."""
    thread = await loop.run_in_executor(None, threading.get_ident)
    require(thread != threading.get_ident(), "run_in_executor() does not use another thread")
