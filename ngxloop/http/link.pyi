import asyncio

from typing_extensions import disjoint_base

from ngxloop.http.engine import Engine
from ngxloop.http.expiry import Expiring

@disjoint_base
class Link(Expiring):
    @property
    def engine(self) -> Engine: ...
    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
