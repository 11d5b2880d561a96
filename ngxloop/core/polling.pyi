from typing_extensions import disjoint_base

@disjoint_base
class Polling:
    @property
    def poll_count(self) -> int: ...
