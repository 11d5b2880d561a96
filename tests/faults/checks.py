"""What a run of a scenario has seen, to be judged afterwards."""

import asyncio
import ssl

# What is sent.
SMALL = b"ping" * 4
LARGE = bytes(range(256)) * 1200  # more than the buffers of sockets and pipes below hold
PARTS = (SMALL, LARGE, SMALL)
BUFFER_BYTES = 32 * 1024

# What a user of streams expects to have to catch.
ALLOWED = (OSError, asyncio.IncompleteReadError, ssl.SSLError)


class Check:
    """What one run has received, and the errors it was told of."""

    def __init__(self) -> None:
        self.errors: list[BaseException] = []
        self.missing = 0  # bytes that did not come
        self.wrong: list[str] = []

    def received(self, what: str, expected: bytes, got: bytes) -> None:
        """Take note of a stream: it may end early, but has no other bytes."""
        if not expected.startswith(got):
            self.wrong.append(f"{what} received {len(got)} bytes that were not sent so")
        self.missing += len(expected) - len(got)

    def told(self, error: BaseException | None) -> None:
        """Take note of an error that the program was told of."""
        if error is not None:
            error.__traceback__ = error.__context__ = None  # they keep sockets alive
            self.errors.append(error)
