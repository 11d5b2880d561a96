"""What a loop is asked to do while its system calls fail: one coroutine for each subject.

A scenario ends by itself, whatever fails: it returns, or raises what its user would see. It hands
what it received, and the errors it was told of, to its Check, which judges them afterwards.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from tests.faults.checks import ALLOWED, LARGE, SMALL, Check
from tests.faults.streams import (
    close_writer,
    read_all,
    renewed_epoll,
    sendfile,
    tcp_echo,
    tcp_protocols,
    tls_echo,
    unix_echo,
)


class _Datagrams(asyncio.DatagramProtocol):
    """Collects datagrams, or sends them back."""

    def __init__(self, check: Check, echo: bool) -> None:
        self.check = check
        self.echo = echo
        self.got: set[bytes] = set()
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.got.add(data)
        if self.echo:
            self.transport.sendto(data, address)

    def error_received(self, error: OSError) -> None:
        self.check.told(error)

    def connection_lost(self, error: Exception | None) -> None:
        self.check.told(error)
        self.lost.set_result(None)


async def udp_echo(check: Check) -> None:
    """Datagrams may be lost, so the client sends again what was not answered."""
    loop = asyncio.get_running_loop()
    protocols = []
    wanted = {b"datagram %d" % i for i in range(20)}
    try:
        server, protocol = await loop.create_datagram_endpoint(
            lambda: _Datagrams(check, True), ("127.0.0.1", 0)
        )
        protocols.append(protocol)
        client, collected = await loop.create_datagram_endpoint(
            lambda: _Datagrams(check, False), remote_addr=server.get_extra_info("sockname")
        )
        protocols.append(collected)
        for _ in range(50):
            for data in wanted - collected.got:
                client.sendto(data)
            if await _within(0.02, lambda: wanted <= collected.got or client.is_closing()):
                break
        check.missing += len(wanted - collected.got)
    finally:
        for protocol in protocols:
            protocol.transport.close()
            await protocol.lost


async def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        if loop.time() > end:
            return False
        await asyncio.sleep(0.001)
    return True


class _WritePipe(asyncio.streams.FlowControlMixin):
    """The protocol of a pipe that is written to."""

    def __init__(self, check: Check) -> None:
        super().__init__()
        self.check = check
        self.lost = asyncio.get_running_loop().create_future()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.check.told(error)
        self.lost.set_result(None)


async def pipes(check: Check) -> None:
    loop = asyncio.get_running_loop()
    read_fd, write_fd = os.pipe()
    with open(read_fd, "rb", 0) as read_end, open(write_fd, "wb", 0) as write_end:
        reader = asyncio.StreamReader()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), read_end
        )
        try:
            write_transport, protocol = await loop.connect_write_pipe(
                lambda: _WritePipe(check), write_end
            )
            write_transport.write(LARGE)
            write_transport.write(SMALL)
            write_transport.write_eof()
            try:
                check.received("the reader", LARGE + SMALL, await reader.read())
            except ALLOWED as error:
                check.told(error)
                write_transport.abort()
            await protocol.lost
        finally:
            transport.close()
            await asyncio.sleep(0)  # connection_lost() closes the file


async def subprocess(check: Check) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe)

    async def feed() -> None:
        try:
            process.stdin.write(LARGE)
            await process.stdin.drain()
        except ALLOWED as error:
            check.told(error)
        await close_writer(process.stdin, check)

    feeding = asyncio.ensure_future(feed())
    try:
        output = await read_all(process.stdout, len(LARGE))
        check.received("the parent", LARGE, output)
    except ALLOWED as error:
        check.told(error)
        process.kill()
    await feeding
    code = await process.wait()
    if code not in {0, -signal.SIGKILL, -signal.SIGPIPE}:
        check.wrong.append(f"the exit code is {code}")


async def sock_calls(check: Check) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
        listening.setblocking(False)
        client.setblocking(False)
        accepting = asyncio.ensure_future(loop.sock_accept(listening))
        try:
            await loop.sock_connect(client, listening.getsockname())
            server, _ = await accepting
        except BaseException:
            accepting.cancel()
            with contextlib.suppress(asyncio.CancelledError, *ALLOWED):
                (await accepting)[0].close()
            raise
        with server:
            await asyncio.gather(
                _sock_serve(check, server), _sock_send(check, client), return_exceptions=False
            )


async def _sock_send(check: Check, client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(client, LARGE)
        client.shutdown(socket.SHUT_WR)
        check.received("the client", SMALL, await loop.sock_recv(client, 100))
    except ALLOWED as error:
        check.told(error)
        client.close()


async def _sock_serve(check: Check, server: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    got, room = b"", bytearray(65536)
    try:
        while count := await loop.sock_recv_into(server, room):
            got += room[:count]
        await loop.sock_sendall(server, SMALL)
    except ALLOWED as error:
        check.told(error)
    check.received("the server", LARGE, got)
    server.close()


async def watching(check: Check) -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        readable, writable = loop.create_future(), loop.create_future()
        loop.add_reader(ours, lambda: readable.done() or readable.set_result(None))
        try:
            loop.add_writer(ours, lambda: writable.done() or writable.set_result(None))
            await writable
            loop.remove_writer(ours)
            theirs.send(SMALL)
            await readable
            check.received("the reader", SMALL, ours.recv(100))
        finally:
            loop.remove_reader(ours)
            loop.remove_writer(ours)


async def threads_and_signals(check: Check) -> None:
    loop = asyncio.get_running_loop()
    signalled = loop.create_future()
    loop.add_signal_handler(signal.SIGUSR1, signalled.set_result, SMALL)
    try:
        received = await loop.run_in_executor(None, lambda: SMALL)
        check.received("the loop", SMALL, received)
        os.kill(os.getpid(), signal.SIGUSR1)
        check.received("the loop", SMALL, await signalled)
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


async def nothing(check: Check) -> None:
    """The making and the closing of the loop itself are what is disturbed."""
    await asyncio.sleep(0)


SCENARIOS: dict[str, Callable[[Check], Awaitable[None]]] = {
    scenario.__name__: scenario
    for scenario in (
        tcp_echo,
        tcp_protocols,
        tls_echo,
        unix_echo,
        udp_echo,
        pipes,
        subprocess,
        sock_calls,
        sendfile,
        watching,
        renewed_epoll,
        threads_and_signals,
        nothing,
    )
}
