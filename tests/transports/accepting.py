"""What the tests of listeners share: protocols that are kept, clients that only connect."""

import contextlib
import socket

from tests.support.protocols import RecordingProtocol
from tests.support.waiting import turns


class Factory:
    """Make protocols and keep them."""

    def __init__(self, kind=RecordingProtocol) -> None:
        self.kind = kind
        self.made = []

    def __call__(self):
        self.made.append(self.kind())
        return self.made[-1]


def connect_all(stack: contextlib.ExitStack, address, count: int) -> list[socket.socket]:
    """Connect, without waiting to be accepted."""
    clients = [stack.enter_context(socket.create_connection(address)) for _ in range(count)]
    for client in clients:
        client.setblocking(False)
    return clients


async def close_all(factory: Factory) -> None:
    for protocol in factory.made:
        protocol.transport.abort()
    await turns(2)
