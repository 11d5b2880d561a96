from typing import final

from typing_extensions import disjoint_base

@final
@disjoint_base
class FieldTable:
    def __init__(self, seed: int) -> None: ...

def is_secret(name: bytes) -> bool: ...
