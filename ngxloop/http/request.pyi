import asyncio
from typing import Any

from typing_extensions import disjoint_base

from ngxloop.http.answer import Answer

@disjoint_base
class Request(Answer):
    def _task_ended(self, task: asyncio.Task[Any]) -> None: ...
