"""Options: WebSockets; uvicorn's names and meanings where it has the option."""

import dataclasses
from typing import ClassVar

from ngxloop.serving.options.http import ENGINE, EVERY_ASGI
from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import BYTES, FLAG, SECONDS, whole_number


@dataclasses.dataclass(frozen=True, kw_only=True)
class WebSocketOptions:
    """WebSockets. An option is refused with interfaces other than those in brackets."""

    title: ClassVar[str] = "WebSocket"

    ws_max_size: int = option(
        16 * 2**20,
        BYTES,
        "maximum size of a message, as 10M; a larger one closes the connection with 1009; "
        "0: no limit",
        interfaces=EVERY_ASGI,
    )
    ws_max_queue: int = option(
        32,
        whole_number("a number of messages", 1, 2**31 - 1),
        "messages that may wait for APP; at this number, or at 64 KiB, reading pauses",
        interfaces=EVERY_ASGI,
    )
    ws_ping_interval: float = option(
        20.0, SECONDS, "time between Pings to a client; 0: no Pings", interfaces=EVERY_ASGI
    )
    ws_ping_timeout: float = option(
        20.0,
        SECONDS,
        "time for a client to answer a Ping, else it is closed with 1011; 0: no limit",
        interfaces=EVERY_ASGI,
    )
    ws_per_message_deflate: bool = option(
        True, FLAG, "compress messages if the client supports it", interfaces=EVERY_ASGI
    )
    websocket_drain: float = option(
        5.0,
        SECONDS,
        "time over which a draining worker spreads the closes of its WebSockets (1012), so that "
        "clients do not reconnect all at once; at most --graceful-timeout",
        interfaces=ENGINE,
    )
