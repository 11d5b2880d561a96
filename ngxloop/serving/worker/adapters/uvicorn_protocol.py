"""uvicorn's HTTP protocol, which counts answers and tells the transport when it is idle.

What a request pays for this is one method call. That an answer says `Connection: close` is arranged
when draining begins, for the connections that are there then; until that nobody looks at headers.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a class; to type checkers the other one is a variable
    from uvicorn.protocols.http.h11_impl import H11Protocol as AutoHTTPProtocol
else:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol


class HttpProtocol(AutoHTTPProtocol):
    """Marks keep-alive connections between two requests: those may be closed for new ones."""

    transport: Any
    timeout_keep_alive_task: Any
    count_request: Callable[[], object]

    def on_response_complete(self) -> None:
        """An answer is sent; if the keep-alive time-out runs now, no request is there."""
        super().on_response_complete()
        self.count_request()
        if self.timeout_keep_alive_task is not None:
            self.transport.set_reusable(True)


def protocol_class(count_request: Callable[[], object]) -> type[HttpProtocol]:
    """Return the class of a worker's connections; the function is called for each answer."""
    return type("HttpProtocol", (HttpProtocol,), {"count_request": staticmethod(count_request)})
