"""What compiled code calls upwards: methods that are not its own but those of classes above it.

The compiled classes know no transport, no mix-in of ngxloop.aio and nothing of asyncio's; they call
these names, which tests/core/test_callbacks.py compares with the sources. EventLoop has the methods
of LoopCallbacks; type checkers verify it in tests/typing/callbacks.py.
"""

from collections.abc import Callable, Collection
from typing import Any, Protocol

from ngxloop.core.handle import Handle


class LoopCallbacks(Protocol):
    """What core/ and transports/ call on the loop, beyond the compiled methods."""

    def _check_callback(self, callback: object, method: str, /) -> None:
        """Raise TypeError, in debug mode, if callback is a coroutine or cannot be called."""

    def _check_sock(self, sock: Any, /) -> None:
        """Raise for a socket that a sock_* method must not use; asked once for each operation.

        Only in debug mode, or if the class of the socket is not socket.socket.
        """

    def _check_thread(self) -> None:
        """Raise RuntimeError, in debug mode, if the loop is running in another thread."""

    def _process_signals(self, numbers: bytes, noted: Collection[int], /) -> None:
        """Schedule the handlers of signals: numbers were read from the signal pipe.

        Those in noted, which _signals_noted() returned before the pipe was read, and which are not
        in numbers, were lost because the pipe was full.
        """

    def _report_handle_failure(self, handle: Handle, exc: BaseException, /) -> None:
        """Report the exception of a callback; the handle is complete until this returns.

        Never called for SystemExit and KeyboardInterrupt, which end the run.
        """

    def _report_protocol_failure(
        self, transport: Any, callback: Any, args: tuple[Any, ...], exc: BaseException, /
    ) -> None:
        """Report the exception of a protocol's method after which the connection continues."""

    def _report_slow(self, source: object, seconds: float, /) -> None:
        """Report, in debug mode, a handle or the event of a transport that took long."""

    def _run_slow_hook(
        self, hook: Callable[..., object], source: object, seconds: float, /
    ) -> None:
        """Call the hook of set_slow_callback_hook(); only SystemExit and KeyboardInterrupt rise."""

    def _signals_noted(self) -> Collection[int]:
        """Return the numbers of the signals that have arrived and were not processed yet."""

    def call_exception_handler(self, context: dict[str, Any], /) -> None:
        """Report an error after which the loop continues; see asyncio's documentation."""


class SlotOwner(Protocol):
    """What core/ calls on the owner of a slot of the pool."""

    def _loop_closed(self) -> None:
        """Forget the slot: the loop closes, and frees it when this returns."""


class FdOwner(SlotOwner, Protocol):
    """What core/ calls on a slot owner that needs the fd for itself: a transport or a listener."""

    def is_closing(self) -> bool:
        """Return True if others may use the fd: it is closed, or will be soon."""


class FdWatcher(SlotOwner, Protocol):
    """What core/ calls on a slot owner that watches a user's fd."""

    def _refused(self, exc: OSError, mask: int, /) -> bool:
        """Fail the waits for the directions in mask; return True if a callback is lost as well."""

    def _forget_all_but(self, mask: int, /) -> None:
        """Cancel the callbacks of the directions not in mask: the number is another file's now."""
