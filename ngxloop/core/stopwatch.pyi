from typing import final

@final
class Stopwatch:
    @property
    def slow_count(self) -> int: ...
