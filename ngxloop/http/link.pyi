import asyncio

from typing_extensions import disjoint_base

from ngxloop.transports.receiver import Receiver

@disjoint_base
class Link(Receiver):
    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
