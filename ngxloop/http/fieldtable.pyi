from typing import final

from ngxloop.http.names import KNOWN_NAMES as KNOWN_NAMES

SECRET_NAMES: frozenset[bytes]
SECRET_WORDS: tuple[bytes, ...]

@final
class FieldTable:
    def __init__(self, seed: int) -> None: ...

def is_secret(name: bytes) -> bool: ...
