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


def protocol_class(
    count_request: Callable[[], object], is_silent: bool = False
) -> type[HttpProtocol]:
    """Return the class of a worker's connections.

    Args:
        count_request: Called for each answer.
        is_silent: uvicorn writes no access log of its own, whatever handlers its logger has.
    """
    names: dict[str, Any] = {"count_request": staticmethod(count_request)}
    if is_silent:
        names["access_log"] = property(lambda self: False, lambda self, is_wanted: None)
    return type("HttpProtocol", (HttpProtocol,), names)
