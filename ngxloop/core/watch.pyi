import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple

from _typeshed import FileDescriptorLike
from typing_extensions import disjoint_base

from ngxloop.core.scheduling import Scheduling

_Ts = TypeVarTuple("_Ts")

@disjoint_base
class Waiter: ...

@disjoint_base
class Watcher: ...

class FdWatching(Scheduling):
    def add_reader(
        self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts
    ) -> None: ...
    def add_writer(
        self, fd: FileDescriptorLike, callback: Callable[[*_Ts], Any], *args: *_Ts
    ) -> None: ...
    def remove_reader(self, fd: FileDescriptorLike) -> bool: ...
    def remove_writer(self, fd: FileDescriptorLike) -> bool: ...
    def _add_reader(
        self,
        fd: FileDescriptorLike,
        callback: Callable[[*_Ts], Any],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle: ...
    def _add_writer(
        self,
        fd: FileDescriptorLike,
        callback: Callable[[*_Ts], Any],
        *args: *_Ts,
        context: Context | None = None,
    ) -> asyncio.Handle: ...
    def _remove_reader(self, fd: FileDescriptorLike) -> bool: ...
    def _remove_writer(self, fd: FileDescriptorLike) -> bool: ...
    def _ensure_fd_no_transport(self, fd: FileDescriptorLike) -> None: ...
    def _has_transport(self, fd: FileDescriptorLike) -> bool: ...
