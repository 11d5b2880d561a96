from typing import Final, TypedDict, final, type_check_only

DEAD: Final = 0
STARTING: Final = 1
READY: Final = 2
DRAINING: Final = 3
STOPPING: Final = 4

@type_check_only
class SlotValues(TypedDict):
    pid: int
    state: int
    active: int
    accepted: int
    missed: int
    turns: int
    beat_ns: int
    waiting: bool
    listening: bool
    gated: bool
    left: int
    calls: int
    locks: int
    pauses: int
    requests: int
    received_bytes: int
    sent_bytes: int
    counts_answers: bool
    in_flight: int
    answers_1xx: int
    answers_2xx: int
    answers_3xx: int
    answers_4xx: int
    answers_5xx: int

@final
class Scoreboard:
    def __new__(cls, slot_count: int) -> Scoreboard: ...
    def open_wakeup_fds(self, count: int) -> None: ...
    def claim(self, slot: int, pid: int) -> None: ...
    def set_state(self, slot: int, state: int, *, wakes_workers: bool = True) -> None: ...
    def wake(self, *, urge: bool = False) -> None: ...
    def add_request(self, slot: int) -> int: ...
    def release(self, slot: int, pid: int, *, wakes_workers: bool = True) -> bool: ...
    def repair(self, slot: int, pid: int, state: int) -> None: ...
    def unlock(self, pid: int) -> None: ...
    def is_right(self, slot: int, pid: int, state: int) -> bool: ...
    def read(self, slot: int) -> SlotValues: ...
    def protect(self) -> None: ...
    @property
    def slot_count(self) -> int: ...
    @property
    def mutex_pid(self) -> int: ...
