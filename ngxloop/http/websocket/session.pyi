from typing import final

from ngxloop.http.request import Request

TRANSITIONS: dict[str, tuple[str, ...]]

@final
class WebSocket(Request): ...
