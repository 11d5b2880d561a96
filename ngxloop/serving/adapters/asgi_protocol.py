"""uvicorn's HTTP protocol, which counts answers and tells the transport when it is idle.

What a request pays for this is one method call. That an answer says `Connection: close` is arranged
when draining begins, for the connections that are there then; until that nobody looks at headers.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a class; to type checkers the other one is a variable
    from uvicorn.protocols.http.h11_impl import H11Protocol as AutoHTTPProtocol
else:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

Header = tuple[bytes, bytes]

CLOSE_HEADER: Header = (b"connection", b"close")


class HttpProtocol(AutoHTTPProtocol):
    """Marks keep-alive connections between two requests: those may be closed for new ones."""

    transport: Any
    timeout_keep_alive_task: Any
    cycle: Any
    app: Any
    count_request: Callable[[], object]

    def on_response_complete(self) -> None:
        """An answer is sent; if the keep-alive time-out runs now, no request is there."""
        super().on_response_complete()
        self.count_request()
        if self.timeout_keep_alive_task is not None:
            self.transport.set_reusable(True)

    def close_after_answer(self, application: Any) -> None:
        """End the connection with the answer that is in progress, or else with the next one.

        Args:
            application: Answers the next request, and says `Connection: close`.
        """
        self.app = application
        if self.cycle is not None:
            self.cycle.default_headers = _ClosingHeaders(self.cycle.default_headers)


def protocol_class(count_request: Callable[[], object]) -> type[HttpProtocol]:
    """Return the class of a worker's connections; the function is called for each answer."""
    return type("HttpProtocol", (HttpProtocol,), {"count_request": staticmethod(count_request)})


def closing(headers: Iterable[Header]) -> list[Header]:
    """Return the headers with ours in the place of the application's own."""
    return [*_without_ours(headers), CLOSE_HEADER]


class _ClosingHeaders(list[Header]):
    """What uvicorn puts before the application's headers; ours takes the place of theirs.

    An answer in progress has its `send` already, so nothing can stand between the two any more.
    """

    def __init__(self, headers: Iterable[Header]) -> None:
        super().__init__(closing(headers))

    def __add__(self, headers: Any) -> Any:
        """Return the headers of the answer."""
        return [*self, *_without_ours(headers)]


def _without_ours(headers: Iterable[Header]) -> list[Header]:
    return [header for header in headers if header[0].lower() != CLOSE_HEADER[0]]
