from ngxloop.transports.tlsflow import TlsFlow

class TlsHandshake(TlsFlow):
    _server_side: bool
    def _check_handshake_timeout(self) -> None: ...
