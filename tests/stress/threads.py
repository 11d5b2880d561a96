"""Other threads: call_soon_threadsafe, run_coroutine_threadsafe, executors."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import Callable

from tests.stress.world import DEADLINE, Act


async def in_thread(act: Act, work: Callable[[], None]) -> None:
    """Run work in a thread of its own until it ends, or the act does."""
    thread = threading.Thread(target=work, name=act.name)
    act.world.threads.append(thread)

    async def join() -> None:
        await act.until(lambda: not thread.is_alive(), "a thread")

    act.defer(join)
    thread.start()
    await join()


async def calls(act: Act) -> None:
    """What threads hand over runs once each, in order, unless it was cancelled before."""
    count = act.randomness.randrange(1, 200)
    seen: list[int] = []
    cancelled: set[int] = set()

    def call(number: int) -> None:
        seen.append(number)

    def work() -> None:
        for number in range(count):
            try:
                handle = act.loop.call_soon_threadsafe(call, number)
            except RuntimeError:  # the round is over
                return
            if number % 7 == 0:
                handle.cancel()
                cancelled.add(number)

    await in_thread(act, work)
    await act.until(lambda: len({*seen, *cancelled}) == count, f"{len(seen)} calls of {count}")
    act.check(seen == sorted(seen), "calls of one thread in the wrong order")
    act.check(len(seen) == len(set(seen)), "a call came twice")


async def coroutines(act: Act) -> None:
    """Threads run coroutines in the loop, wait for them or cancel them."""

    async def double(number: int) -> int:
        await asyncio.sleep(number % 3 * 0.001)
        return 2 * number

    def work() -> None:
        for number in range(10):
            coroutine = double(number)
            try:
                future = asyncio.run_coroutine_threadsafe(coroutine, act.loop)
            except RuntimeError:
                coroutine.close()
                return
            if number % 5 == 4:
                future.cancel()
            else:
                take(number, future)

    def take(number: int, future: concurrent.futures.Future[int]) -> None:
        with contextlib.suppress(concurrent.futures.CancelledError):
            result = wait_for_result(act, future)
            act.check(result in {2 * number, None}, f"{result} for {number}")

    await in_thread(act, work)


def wait_for_result(act: Act, future: concurrent.futures.Future[int]) -> int | None:
    """Wait in a thread, but not behind the end of the round."""
    for _ in range(int(DEADLINE * 10)):
        with contextlib.suppress(concurrent.futures.TimeoutError):
            return future.result(0.1)
        if act.world.over.is_set():
            return None
    act.fail("run_coroutine_threadsafe gave no result")
    return None


async def executor(act: Act) -> None:
    """Work in the default executor, some of it forgotten."""

    def add(one: int, other: int) -> int:
        return one + other

    futures = [act.loop.run_in_executor(None, add, number, 1) for number in range(20)]
    for number, future in enumerate(futures):
        if act.chance(0.2):
            future.cancel()
        else:
            result = await future
            act.check(result == number + 1, f"the executor gave {result} for {number} + 1")


async def names(act: Act) -> None:
    """Look up names, numeric ones and one in the executor."""
    found = await act.loop.getaddrinfo("127.0.0.1", 80)
    act.check(found[0][4] == ("127.0.0.1", 80), f"getaddrinfo gave {found}")
    await act.loop.getaddrinfo("localhost", 80)
    await act.loop.getnameinfo(("127.0.0.1", 80))
