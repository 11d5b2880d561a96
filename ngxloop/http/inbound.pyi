from collections.abc import Coroutine
from typing import Any

from typing_extensions import disjoint_base

from ngxloop.http.awaitables import WaitedFor

@disjoint_base
class Inbound(WaitedFor):
    def receive(self) -> Coroutine[Any, Any, dict[str, Any]]: ...
