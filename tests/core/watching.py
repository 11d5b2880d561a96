"""What the tests of FdWatching share."""

import asyncio


class Receiving(asyncio.Protocol):
    """Keep what arrives."""

    def __init__(self) -> None:
        self.received = b""

    def data_received(self, data):
        self.received += data


def connect(loop, sock):
    return loop.run_until_complete(loop.create_connection(Receiving, sock=sock))


def polls_while_idle(loop) -> int:
    """Return how often the loop looks for events while it waits for nothing but one timer."""
    before = loop.poll_count
    loop.call_later(0.02, loop.stop)
    loop.run_forever()
    return loop.poll_count - before
