import asyncio
import ssl
from typing import Any, final

from ngxloop.core.reactor import Reactor
from ngxloop.transports.tls import TlsTransport
from ngxloop.transports.tlshandshake import TlsHandshake

# No subclass of asyncio.Protocol at run time: __class__ answers that, so that isinstance() holds.
@final
class TlsLayer(TlsHandshake, asyncio.Protocol):
    _sslcontext: ssl.SSLContext
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...  # TypeError: it is not for users
    @property
    def _loop(self) -> Reactor: ...
    @property
    def _transport(self) -> Any: ...
    @property
    def _app_transport(self) -> TlsTransport | None: ...
    @property
    def _app_protocol(self) -> asyncio.BaseProtocol | None: ...
    @property
    def _ssl_handshake_timeout(self) -> float: ...
    @property
    def _ssl_shutdown_timeout(self) -> float: ...
    @property
    def _sslobj(self) -> ssl.SSLObject: ...
    def _check_shutdown_timeout(self) -> None: ...
