import ssl

from typing_extensions import disjoint_base

def calls_directly() -> bool: ...

@disjoint_base
class TlsObject:
    @property
    def ssl_object(self) -> ssl.SSLObject: ...
