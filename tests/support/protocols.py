"""Protocols that record what a transport tells them."""

import asyncio
from typing import Any


class RecordingProtocol(asyncio.Protocol):
    """Record every callback by name, in order; `closed` is done once the connection is lost."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.received = bytearray()
        self.transport: asyncio.Transport | None = None
        self.lost_with: Any = "not lost"
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("connection_made")
        self.transport = transport
        self.connected.set_result(None)

    def data_received(self, data: bytes) -> None:
        self.calls.append("data_received")
        self.received += data

    def eof_received(self) -> bool | None:
        self.calls.append("eof_received")
        return None

    def pause_writing(self) -> None:
        self.calls.append("pause_writing")

    def resume_writing(self) -> None:
        self.calls.append("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("connection_lost")
        self.lost_with = exc
        self.closed.set_result(None)


class HalfOpenProtocol(RecordingProtocol):
    """Stay writable after the peer's end of stream."""

    def eof_received(self) -> bool:
        super().eof_received()
        return True


class EchoProtocol(RecordingProtocol):
    """Send back what arrives."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(data)


class RecordingBufferedProtocol(asyncio.BufferedProtocol):
    """Receive into one buffer of `size` bytes; `calls` holds (name, argument) in order."""

    def __init__(self, size: int = 65536) -> None:
        self.buffer = bytearray(size)
        self.calls: list[tuple[str, Any]] = []
        self.received = bytearray()
        self.transport: asyncio.Transport | None = None
        self.lost_with: Any = "not lost"
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        self.calls.append(("get_buffer", sizehint))
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.calls.append(("buffer_updated", nbytes))
        self.received += self.buffer[:nbytes]

    def eof_received(self) -> None:
        self.calls.append(("eof_received", None))

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_with = exc
        self.closed.set_result(None)


class Protocols(list):
    """A protocol factory that keeps what it made."""

    def __init__(self, protocol_class=EchoProtocol):
        self.protocol_class = protocol_class

    def __call__(self):
        self.append(self.protocol_class())
        return self[-1]


class RecordingProcess(asyncio.SubprocessProtocol):
    """Record every callback, in order; `closed` is done once the transport is closed."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.output = {1: bytearray(), 2: bytearray()}
        self.closed: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("connection_made")
        self.transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.calls.append(f"data {fd}")
        self.output[fd] += data

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.calls.append(f"lost {fd}")

    def process_exited(self) -> None:
        self.calls.append("exited")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("connection_lost")
        self.transport.close()  # without this asyncio warns
        self.closed.set_result(exc)
