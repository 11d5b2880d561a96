"""What handles look like to Python: asyncio's classes, texts and reports."""

import asyncio
from asyncio import base_events, events, format_helpers
from typing import Any

from ngxloop.core.handle import Handle, bind_handle_class
from ngxloop.core.scheduling import bind_extract_stack, bind_future_class, bind_tasks
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
bind_future_class(asyncio.Future)
bind_tasks(asyncio.tasks, asyncio.BaseEventLoop.create_task)
bind_extract_stack(format_helpers.extract_stack)


class HandleReports:
    """The reports about handles that the compiled loop asks for."""

    def _report_handle_failure(self: Any, handle: Handle, exc: BaseException) -> None:
        """Tell the exception handler of a callback's exception, in the words of asyncio.Handle."""
        callback = format_helpers._format_callback_source(handle._callback, handle._args)
        context = {
            "message": f"Exception in callback {callback}",
            "exception": exc,
            "handle": handle,
        }
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        self.call_exception_handler(context)

    def _report_protocol_failure(
        self: Any, transport: Any, callback: Any, args: tuple[Any, ...], exc: BaseException
    ) -> None:
        """Tell the exception handler of a protocol method whose exceptions end nothing."""
        text = format_helpers._format_callback_source(callback, args)
        self.call_exception_handler(
            {
                "message": f"Exception in callback {text}",
                "exception": exc,
                "transport": transport,
                "protocol": transport.get_protocol(),
            }
        )

    def _report_slow(self: Any, source: object, seconds: float) -> None:
        """Log a callback or a connection's event that took long, in debug mode."""
        if isinstance(source, asyncio.Handle):
            text = base_events._format_handle(source)  # type: ignore[attr-defined]
        else:
            text = repr(source)
        # By the name that test suites replace when they look for this.
        base_events.logger.warning(  # type: ignore[attr-defined]
            "Executing %s took %.3f seconds", text, seconds
        )
