"""uvicorn's HTTP protocol, which tells the transport when the connection is idle."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a class; to type checkers the other one is a variable
    from uvicorn.protocols.http.h11_impl import H11Protocol as AutoHTTPProtocol
else:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol


class IdleTellingProtocol(AutoHTTPProtocol):
    """Marks keep-alive connections between two requests: those may be closed for new ones."""

    transport: Any
    timeout_keep_alive_task: Any

    def on_response_complete(self) -> None:
        """An answer is sent; if the keep-alive time-out runs now, no request is there."""
        super().on_response_complete()
        if self.timeout_keep_alive_task is not None and hasattr(self.transport, "set_reusable"):
            self.transport.set_reusable(True)
