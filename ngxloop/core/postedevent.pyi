from typing import final

from typing_extensions import disjoint_base

@final
@disjoint_base
class PostedEvent:
    _cancelled: bool
    _context: None
    def cancel(self) -> None: ...
    def cancelled(self) -> bool: ...
    def _run(self) -> None: ...
