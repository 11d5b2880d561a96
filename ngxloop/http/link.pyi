import asyncio

from typing_extensions import disjoint_base

from ngxloop.http.engine import Engine
from ngxloop.transports.receiver import Receiver

@disjoint_base
class Link(Receiver):
    @property
    def engine(self) -> Engine: ...
    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
