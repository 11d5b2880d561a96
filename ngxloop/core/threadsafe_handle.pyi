import asyncio
from typing import final

from ngxloop.core.handle import Handle

@final
class ThreadsafeHandle(Handle): ...

def bind_threadsafe_class(public_class: type[asyncio.Handle]) -> None: ...
