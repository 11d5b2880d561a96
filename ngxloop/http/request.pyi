import asyncio
from typing import Any, final

from ngxloop.http.answer import Answer

@final
class Request(Answer):
    def _task_ended(self, task: asyncio.Task[Any]) -> None: ...
