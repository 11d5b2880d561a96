"""Gives the core asyncio's classes: what its handles appear to be, what futures and tasks are.

The core imports nothing of asyncio. Importing this module gives it the classes that its handles
appear to be, and the functions that make futures and unusual tasks.
"""

import asyncio
from asyncio import events, format_helpers
from typing import Any

from ngxloop.core.handle import bind_handle_class
from ngxloop.core.scheduling import bind_extract_stack, bind_futures, bind_tasks
from ngxloop.core.threadsafe_handle import bind_threadsafe_class
from ngxloop.core.timers import bind_timer_class

_CODE_FILE = asyncio.Handle.cancel.__code__.co_filename


def _own_run() -> Any:
    """Return asyncio.Handle._run; None if it was replaced before this module was imported."""
    run = asyncio.Handle._run
    code = getattr(run, "__code__", None)
    return run if code is not None and code.co_filename == _CODE_FILE else None


bind_handle_class(asyncio.Handle, _own_run())
bind_timer_class(asyncio.TimerHandle)
# New in Python 3.14; before, call_soon_threadsafe() returned an ordinary handle.
bind_threadsafe_class(getattr(events, "_ThreadSafeHandle", asyncio.Handle))
bind_futures(asyncio.futures)
bind_tasks(asyncio.tasks, asyncio.BaseEventLoop.create_task)
bind_extract_stack(format_helpers.extract_stack)
