from ngxloop.transports.tlsflow import TlsFlow

class TlsHandshake(TlsFlow):
    def _check_handshake_timeout(self) -> None: ...
