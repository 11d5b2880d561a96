"""Signals: handlers of the loop, sent from here, from a thread and from a child."""

import os
import signal
import threading
from collections.abc import Callable

from tests.stress.world import Act

# Each is lent to one act at a time.
SIGNALS = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH, signal.SIGRTMIN + 3]


async def handlers(act: Act) -> None:
    """Each burst of a signal is heard of at least once."""
    if not act.world.free_signals:
        return
    number = act.world.free_signals.pop()
    heard = [0]

    def handle() -> None:
        heard[0] += 1
        if act.chance(0.1):
            raise act.world.provoke(f"{act.name} signal handler")

    async def forget() -> None:
        act.loop.remove_signal_handler(number)
        act.world.free_signals.append(number)

    act.defer(forget)
    act.loop.add_signal_handler(number, handle)
    for _ in range(act.randomness.randrange(1, 10)):
        before = heard[0]
        for _ in range(act.choose(1, 1, 5, 50)):
            act.randomness.choice(WAYS)(number)
        await act.until(lambda before=before: heard[0] > before, f"signal {number}")


def kill(number: int) -> None:
    os.kill(os.getpid(), number)


def raise_here(number: int) -> None:
    signal.raise_signal(number)


def in_thread(number: int) -> None:
    thread = threading.Thread(target=signal.raise_signal, args=(number,))
    thread.start()
    thread.join()


WAYS: list[Callable[[int], None]] = [kill, raise_here, in_thread]
