from typing import final

@final
class Waker:
    @property
    def event_fd(self) -> int: ...
    @property
    def signal_fd(self) -> int: ...
    @property
    def signal_write_fd(self) -> int: ...
