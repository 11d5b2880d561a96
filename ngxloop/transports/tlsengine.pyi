import ssl
from typing import Final, final

from ngxloop.transports.tlsmemory import TlsMemory
from ngxloop.transports.tlsobject import TlsObject

TRANSITIONS: Final[dict[str, tuple[str, ...]]]

@final
class TlsEngine(TlsObject):
    def __init__(
        self,
        memory: TlsMemory,
        sslcontext: ssl.SSLContext,
        server_side: bool = False,
        server_hostname: str | None = None,
    ) -> None: ...
    @property
    def state_name(self) -> str: ...
