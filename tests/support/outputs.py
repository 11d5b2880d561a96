"""Every way in which a program writes to a transport, each with a peer that no loop drives.

`places` are the functions in which a program may write, `kinds` the methods that it calls.
"""

import asyncio
import contextlib
import os
import select
import signal
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from tests.support.datagrams import RecordingEndpoint, udp_socket
from tests.support.pipes import file_of
from tests.support.protocols import RecordingProtocol
from tests.support.tls import client_context
from tests.support.tlspeer import TlsPeer
from tests.support.waiting import DEADLINE, wait_until_main_thread_sleeps

Act = Callable[["Output"], object]


class Output:
    """A transport, one of its methods, and the peer, which receives without a loop."""

    def __init__(self, kind: str, act: Act, place: str) -> None:
        self.kind = kind
        self.transport: Any = None
        self.protocol: Any = None
        self.peer: Any = None
        self.writer: asyncio.StreamWriter | None = None
        self.result = asyncio.get_running_loop().create_future()
        self._act = act
        self._place = place

    def run(self, place: str) -> None:
        """Act, if this is the place; what the function returns or raises is kept in `result`."""
        if place != self._place or self.result.done():
            return
        try:
            outcome, failed = self._act(self), False
        except BaseException as exc:
            outcome, failed = exc, True
        done = self.result.set_exception if failed else self.result.set_result
        self.result.get_loop().call_soon_threadsafe(done, outcome)

    def send(self, data: bytes) -> None:
        """Call the method under test."""
        WAYS[self.kind](self, data)

    def take(self, size: int) -> bytes:
        """Receive exactly so many bytes; this blocks."""
        received = bytearray()
        while len(received) < size:
            received += self._receive(size - len(received))
        return bytes(received)

    def _receive(self, size: int) -> bytes:
        if not isinstance(self.peer, TlsPeer):
            return receive_some(self.peer, size)
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                return self.peer.ssl_object.read(size)
            self.peer.incoming.write(receive_some(self.peer.sock, 65536))

    def break_peer(self) -> None:
        """Close the other end, so that the next send fails."""
        (self.peer.sock if isinstance(self.peer, TlsPeer) else self.peer).close()

    def poke(self) -> None:
        """Send something from the other end."""
        if self.kind == "sendto":
            self.peer.sendto(b"?", self.transport.get_extra_info("sockname"))
        else:
            self.peer.send(b"?")


def receive_some(end: Any, size: int) -> bytes:
    """Receive something from a socket or the file of a pipe, or fail."""
    readable, _, _ = select.select([end], [], [], DEADLINE)
    assert readable, "nothing has come"
    data = end.recv(size) if isinstance(end, socket.socket) else os.read(end.fileno(), size)
    assert data, "the end has come"
    return data


class _Acting:
    """Part of a protocol: act where the output is to be written."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self.output = output

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)  # type: ignore[misc]
        self.output.transport = transport
        self.output.protocol = self
        self.output.run("connection_made")


class ActingProtocol(_Acting, RecordingProtocol):
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.output.run("data_received")


class ActingEndpoint(_Acting, RecordingEndpoint):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        self.output.run("data_received")


def write(output: Output, data: bytes) -> None:
    output.transport.write(data)


def writelines(output: Output, data: bytes) -> None:
    output.transport.writelines([data[:1], data[1:]])


def write_by_stream_writer(output: Output, data: bytes) -> None:
    if output.writer is None:
        loop = output.result.get_loop()
        output.writer = asyncio.StreamWriter(output.transport, output.protocol, None, loop)
    output.writer.write(data)


WAYS: dict[str, Callable[[Output, bytes], object]] = {
    "write": write,
    "writelines": writelines,
    "StreamWriter": write_by_stream_writer,
    "TLS_write": write,
    "TLS_writelines": writelines,
    "pipe_write": write,
    "pipe_writelines": writelines,
    "sendto": lambda output, data: output.transport.sendto(data),
}
KINDS = tuple(WAYS)


def fork(_output: Output) -> None:
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)


ENDS: dict[str, Act] = {
    "abort": lambda output: output.transport.abort(),
    "close": lambda output: output.transport.close(),
    "write_eof": lambda output: output.transport.write_eof(),
    "fork": fork,
}

STREAM_KINDS = tuple(kind for kind in KINDS if kind != "sendto")

PROTOCOL_PLACES = ("connection_made", "data_received")
THREAD_PLACES = ("thread_while_the_loop_sleeps", "thread_while_the_loop_is_blocked")
SLEEPING_PLACES = ("thread_while_the_loop_sleeps", "signal_handler_while_the_loop_sleeps")
PLACES = (*PROTOCOL_PLACES, "task", "callback", *THREAD_PLACES, SLEEPING_PLACES[1])


def cases(kinds: tuple[str, ...], places: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the kinds and places that go together: the writing end of a pipe receives nothing."""
    return [
        (kind, place)
        for kind in kinds
        for place in places
        if not (kind.startswith("pipe") and place == "data_received")
    ]


@contextlib.asynccontextmanager
async def output_of(kind: str, act: Act, place: str = "") -> AsyncIterator[Output]:
    """Give an output on which `act` was called in `place`, if one is named, and has ended."""
    output = Output(kind, act, place)
    with contextlib.ExitStack() as stack:
        await _open(output, stack)
        try:
            if place == "data_received":
                output.poke()
            elif place and place not in PROTOCOL_PLACES:
                await _act_in(place, output)
            if place:
                await output.result
            yield output
        finally:
            # asyncio's closing pipes do not stand it; TLS waits for the peer's goodbye otherwise
            closing = kind.startswith("pipe") and output.transport.is_closing()
            if not (closing or output.protocol.closed.done()):
                output.transport.abort()
            await asyncio.wait_for(output.protocol.closed, DEADLINE)


async def _open(output: Output, stack: contextlib.ExitStack) -> None:
    loop = asyncio.get_running_loop()
    if output.kind == "sendto":
        output.peer = stack.enter_context(udp_socket())
        await loop.create_datagram_endpoint(
            lambda: ActingEndpoint(output), remote_addr=output.peer.getsockname()
        )
    elif output.kind.startswith("pipe"):
        reader, writer = os.pipe()
        output.peer = stack.enter_context(file_of(reader, "rb"))
        await loop.connect_write_pipe(lambda: ActingProtocol(output), file_of(writer, "wb"))
    else:
        ours, peer = socket.socketpair()
        output.peer = stack.enter_context(peer)
        if output.kind.startswith("TLS"):
            await _open_tls(output, ours)
        else:
            await loop.create_connection(lambda: ActingProtocol(output), sock=ours)


async def _open_tls(output: Output, ours: socket.socket) -> None:
    output.peer.setblocking(False)
    output.peer = TlsPeer(output.peer, server_side=True)
    connecting = asyncio.create_task(
        asyncio.get_running_loop().create_connection(
            lambda: ActingProtocol(output),
            sock=ours,
            ssl=client_context(),
            server_hostname="localhost",
        )
    )
    with contextlib.suppress(OSError):  # connection_made() has broken the peer
        await output.peer.handshake()
    await connecting


async def _act_in(place: str, output: Output) -> None:
    """Call the act in a place that is no method of the protocol."""
    loop = asyncio.get_running_loop()
    if place == "task":
        output.run(place)
    elif place == "callback":
        loop.call_soon(output.run, place)
        await output.result
    elif place == "thread_while_the_loop_is_blocked":
        thread = threading.Thread(target=output.run, args=(place,))
        thread.start()
        thread.join()
    else:
        await _act_while_the_loop_sleeps(place, output)


async def _act_while_the_loop_sleeps(place: str, output: Output) -> None:
    former = signal.signal(signal.SIGUSR1, lambda *_: output.run(place))

    def work() -> None:
        wait_until_main_thread_sleeps()
        if place == "thread_while_the_loop_sleeps":
            output.run(place)
        else:
            os.kill(os.getpid(), signal.SIGUSR1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        await output.result
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, former)
