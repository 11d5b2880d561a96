from typing_extensions import disjoint_base

@disjoint_base
class Waker:
    @property
    def event_fd(self) -> int: ...
    @property
    def signal_fd(self) -> int: ...
    @property
    def signal_write_fd(self) -> int: ...
