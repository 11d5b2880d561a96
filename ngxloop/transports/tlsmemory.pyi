import ssl
from collections.abc import Callable
from typing import Any, final

@final
class TlsMemory:
    def set_refusal(self, refusal: Callable[[Any, ssl.SSLError, bytes], bytes | None]) -> None: ...
    def abort_handshakes(self) -> None: ...
