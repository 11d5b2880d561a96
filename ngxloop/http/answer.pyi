from collections.abc import Coroutine
from typing import Any

from typing_extensions import disjoint_base

from ngxloop.http.inbound import Inbound

TRANSITIONS: dict[str, tuple[str, ...]]

@disjoint_base
class Answer(Inbound):
    def send(self, message: dict[str, Any]) -> Coroutine[Any, Any, None]: ...
    def _file_begins(self, size: int) -> Any: ...
    def _file_sent(self, size: int) -> None: ...
