"""Signals to this process at the right moment."""

import asyncio
import os
import threading

from tests.support.waiting import DEADLINE, wait_until_main_thread_sleeps


def kill_when_asleep(loop: asyncio.AbstractEventLoop, number: int) -> threading.Thread:
    """Send a signal to this process from another thread once its loop sleeps.

    Not before: asyncio's loop may miss a signal that comes just before it goes to sleep.
    """
    running = threading.Event()
    loop.call_soon(running.set)

    def kill():
        assert running.wait(DEADLINE)
        wait_until_main_thread_sleeps()
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread
