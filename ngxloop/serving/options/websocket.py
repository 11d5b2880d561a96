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
        "of a message, then the connection is closed with 1009; as 10M; 0: any size",
        interfaces=EVERY_ASGI,
    )
    ws_max_queue: int = option(
        32,
        whole_number("a number of messages", 1, 2**31 - 1),
        "messages that wait for APP; while there are so many, or 64 KiB, nothing more is read",
        interfaces=EVERY_ASGI,
    )
    ws_ping_interval: float = option(
        20.0, SECONDS, "after which a client is sent a Ping; 0: never", interfaces=EVERY_ASGI
    )
    ws_ping_timeout: float = option(
        20.0,
        SECONDS,
        "within which it has to answer, or is closed with 1011; 0: no limit",
        interfaces=EVERY_ASGI,
    )
    ws_per_message_deflate: bool = option(
        True, FLAG, "messages are compressed if the client can do it", interfaces=EVERY_ASGI
    )
    websocket_drain: float = option(
        5.0,
        SECONDS,
        "over which a draining worker spreads the closes of its WebSockets (1012), so that not all "
        "clients connect again at once; within --graceful-timeout",
        interfaces=ENGINE,
    )
