"""Rounds: each has a loop of its own and runs acts side by side until its end, which varies."""

import asyncio
import contextlib
import os
import signal
import sys
import time
import traceback
from typing import Any

from tests.stress import forks, signals
from tests.stress.acts import ACTS
from tests.stress.audit import Audit, check_loop
from tests.stress.world import DEADLINE, Act, Interruption, World
from tests.support.loops import LOOPS

# Acts of a round, and how many of them go on at once.
ACTS_MAX = 60
WIDTHS = [1, 4, 10, 25]

# How many of the acts are cancelled, and seconds within which that happens.
CANCELLED = 0.2
CANCEL_WITHIN = 0.05


def run_round(seed: int, number: int, end: float, chosen: list[str]) -> World:
    """Run a round, and return its world with the failures in it.

    Args:
        end: when no more acts begin, by time.monotonic().
        chosen: the names of the acts to choose from.
    """
    loop = list(LOOPS.values())[-1].factory()
    world = World(seed, number, loop)
    with world.folder, Audit(world):
        loop.set_exception_handler(world.report)
        vary(world)
        if world.randomness.random() < 0.3 and "fork" in chosen:
            forks.inherited_loop(world)
        run_acts(world, end, chosen)
        put_away(world)
        # Nothing may keep the loop, or what it held, once the round is over.
        world.loop = loop = None
    return world


def vary(world: World) -> None:
    """Choose how the loop runs."""
    loop, randomness = world.loop, world.randomness
    world.free_signals[:] = signals.SIGNALS
    world.is_abrupt = randomness.random() < 0.3
    loop.set_debug(randomness.random() < 0.2)
    if hasattr(loop, "set_write_coalescing"):
        loop.set_write_coalescing(randomness.random() < 0.3)
    if randomness.random() < 0.2 and sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    world.note("round", f"debug {loop.get_debug()}, ends abruptly {world.is_abrupt}")


def run_acts(world: World, end: float, chosen: list[str]) -> None:
    """Run the loop, again whenever an act has stopped it, until the acts have ended."""
    main = world.loop.create_task(begin_acts(world, end, chosen))
    run_until(world, main)
    if not main.cancelled() and main.exception() is not None:
        world.fail("round", f"{main.exception()!r}")


def run_until(world: World, done: asyncio.Future[Any]) -> None:
    """Run the loop until a future is done, whatever stops it meanwhile."""
    done.add_done_callback(lambda _: world.loop.stop())
    while not done.done():
        try:
            world.loop.run_forever()
        except Interruption as exc:
            world.note("round", f"interrupted by {exc}")


async def begin_acts(world: World, end: float, chosen: list[str]) -> None:
    """Begin acts at random, so many at once; wait for all, or for none in an abrupt round."""
    weights = [ACTS[name][0] for name in chosen]
    width = world.randomness.choice(WIDTHS)
    running: set[asyncio.Task[None]] = set()
    for _ in range(ACTS_MAX):
        if time.monotonic() > end or world.failures:
            break
        (kind,) = world.randomness.choices(chosen, weights)
        running.add(asyncio.ensure_future(run_act(Act(world, kind), kind)))
        if len(running) >= width:
            _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    if running and not world.is_abrupt:
        await asyncio.wait(running)


async def run_act(act: Act, kind: str) -> None:
    """Run an act in a task of its own, which may be cancelled, and then what it has deferred."""
    act.note("begins")
    body = asyncio.ensure_future(ACTS[kind][1](act))
    was_cancelled = act.chance(CANCELLED)
    if was_cancelled:
        timer = act.loop.call_later(act.randomness.random() * CANCEL_WITHIN, body.cancel)
        body.add_done_callback(lambda _: timer.cancel())
    _, late = await asyncio.wait([body], timeout=3 * DEADLINE)
    if late:
        act.fail(f"does not end: {body}")
        body.cancel()
        await asyncio.wait([body], timeout=1)
    elif body.cancelled():
        act.check(was_cancelled, "was cancelled, by nobody")
    elif (exc := body.exception()) is not None and not is_expected(act, exc):
        act.fail("".join(traceback.format_exception(exc)))
    act.note("ends")
    await act.finish()


def is_expected(act: Act, exc: BaseException) -> bool:
    """Tell whether an act may end with this: it was broken on purpose."""
    return isinstance(exc, ConnectionError) and any(
        life.act is act and life.was_broken for life in act.world.lives
    )


def put_away(world: World) -> None:
    """End the loop: as asyncio.run() does, or while everything is open."""
    world.over.set()
    end_tasks(world)
    run_until(world, world.loop.create_task(shut_down(world)))
    if not world.is_abrupt:
        for life in world.lives:
            life.check_end()
        settle(world)
        check_loop(world)
    for pid in world.processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    world.loop.close()
    for resource in world.resources:
        with contextlib.suppress(OSError):
            resource.close()
    for pid in world.processes:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    for life in world.lives:
        life.transport = None


def end_tasks(world: World) -> None:
    """Cancel the tasks of an abrupt round, and those that threads or cancelled ones still make."""
    tasks = asyncio.all_tasks(world.loop)
    if tasks and not world.is_abrupt:
        world.fail("round", f"tasks are left: {tasks}")
    for _ in range(5):
        for task in tasks:
            task.cancel()
        if tasks:
            run_until(world, world.loop.create_task(asyncio.wait(tasks, timeout=DEADLINE)))
        for thread in world.threads:
            thread.join(DEADLINE)
        settle(world)  # coroutines that threads have handed over become tasks
        tasks = asyncio.all_tasks(world.loop)
        if not tasks:
            return
    world.fail("round", f"tasks do not end when they are cancelled: {tasks}")


async def shut_down(world: World) -> None:
    await world.loop.shutdown_asyncgens()
    await world.loop.shutdown_default_executor()


def settle(world: World) -> None:
    """Let the loop turn a few times for what closing has posted."""
    for _ in range(10):
        world.loop.call_soon(world.loop.stop)
        run_once(world)


def run_once(world: World) -> None:
    with contextlib.suppress(Interruption):
        world.loop.run_forever()
