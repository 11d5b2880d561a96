"""What takes a descriptor number: every method of a loop that does, by its name.

A function is called with the supply of files; what it returns shows that the new file was served.
TAKING and NOT_TAKING together name every public method of a loop: a new one must be listed.
"""

import asyncio
import os
import socket
import tempfile

from tests.support import tls
from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.sockets import drain, fill, receive
from tests.support.waiting import wait_until


async def add_reader(supply):
    ours, peer = supply.pair()
    seen = []
    supply.loop.add_reader(ours, lambda: seen.append(ours.recv(10)))
    peer.send(b"new")
    await wait_until(lambda: seen)
    supply.loop.remove_reader(ours)
    return seen


async def add_writer(supply):
    ours, peer = supply.pair()
    fill(ours)
    seen = []
    supply.loop.add_writer(ours, seen.append, "writable")
    drain(peer)
    await wait_until(lambda: seen)
    supply.loop.remove_writer(ours)
    return seen[0]


async def add_both(supply):
    ours, peer = supply.pair()
    seen = []
    supply.loop.add_reader(ours, lambda: seen.append(ours.recv(10)))
    supply.loop.add_writer(ours, lambda: supply.loop.remove_writer(ours))
    peer.send(b"new")
    await wait_until(lambda: seen)
    supply.loop.remove_reader(ours)
    return seen


async def sock_recv(supply):
    ours, peer = supply.pair()
    wait = asyncio.ensure_future(supply.loop.sock_recv(ours, 10))
    await asyncio.sleep(0)
    peer.send(b"new")
    return await wait


async def sock_recv_into(supply):
    ours, peer = supply.pair()
    buf = bytearray(3)
    wait = asyncio.ensure_future(supply.loop.sock_recv_into(ours, buf))
    await asyncio.sleep(0)
    peer.send(b"new")
    return await wait, buf


async def sock_recvfrom(supply):
    ours, peer = supply.pair()
    wait = asyncio.ensure_future(supply.loop.sock_recvfrom(ours, 10))
    await asyncio.sleep(0)
    peer.send(b"new")
    return (await wait)[0]


async def sock_recvfrom_into(supply):
    ours, peer = supply.pair()
    buf = bytearray(3)
    wait = asyncio.ensure_future(supply.loop.sock_recvfrom_into(ours, buf))
    await asyncio.sleep(0)
    peer.send(b"new")
    return (await wait)[0], buf


async def sock_sendall(supply):
    ours, peer = supply.pair()
    size = fill(ours)
    wait = asyncio.ensure_future(supply.loop.sock_sendall(ours, b"new"))
    await asyncio.sleep(0)
    received = await receive(peer, size + 3)
    await wait
    return received[-3:]


async def sock_sendto(supply):
    ours, other = supply.udp(), supply.udp()
    await supply.loop.sock_sendto(ours, b"new", other.getsockname())
    return await supply.loop.sock_recv(other, 10)


async def sock_accept(supply):
    listener = supply.listener()
    wait = asyncio.ensure_future(supply.loop.sock_accept(listener))
    await asyncio.sleep(0)
    peer = supply.stack.enter_context(socket.create_connection(listener.getsockname()))
    accepted, _ = await wait
    with accepted:
        accepted.send(b"new")
        return peer.recv(10)


async def sock_connect(supply):
    listener = supply.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    sock = supply.sock(socket.socket())
    await supply.loop.sock_connect(sock, listener.getsockname())
    return sock.getpeername() == listener.getsockname()


async def sock_sendfile(supply):
    ours, peer = supply.pair()
    size = fill(ours)
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(b"new")
        wait = asyncio.ensure_future(supply.loop.sock_sendfile(ours, file))
        await asyncio.sleep(0)
        received = await receive(peer, size + 3)
        await wait
    return received[-3:]


async def stream_of(transport, protocol, peer):
    """Return what a stream transport and its peer have sent each other."""
    transport.write(b"to the peer")
    peer.send(b"to us")
    received = await receive(peer, 11)
    await wait_until(lambda: len(protocol.received) == 5)
    transport.abort()
    await protocol.closed
    return received, bytes(protocol.received)


async def create_connection_sock(supply):
    ours, peer = supply.pair()
    transport, protocol = await supply.loop.create_connection(RecordingProtocol, sock=ours)
    return await stream_of(transport, protocol, peer)


async def connect_accepted_socket(supply):
    ours, peer = supply.pair()
    transport, protocol = await supply.loop.connect_accepted_socket(RecordingProtocol, ours)
    return await stream_of(transport, protocol, peer)


async def create_unix_connection_sock(supply):
    ours, peer = supply.pair()
    transport, protocol = await supply.loop.create_unix_connection(RecordingProtocol, sock=ours)
    return await stream_of(transport, protocol, peer)


async def exchange(server, connect):
    """Return what a server echoes to a client that connect() makes."""
    transport, protocol = await connect(server.sockets[0].getsockname())
    transport.write(b"echo")
    await wait_until(lambda: len(protocol.received) == 4)
    transport.abort()
    await protocol.closed
    server.close()
    await server.wait_closed()
    return bytes(protocol.received)


async def create_server(supply):
    server = await supply.loop.create_server(EchoProtocol, "127.0.0.1", 0)
    return await exchange(
        server, lambda address: supply.loop.create_connection(RecordingProtocol, *address)
    )


async def create_server_sock(supply):
    server = await supply.loop.create_server(EchoProtocol, sock=supply.listener())
    return await exchange(
        server,
        lambda address: supply.loop.create_connection(RecordingProtocol, "localhost", address[1]),
    )


async def create_server_tls(supply):
    server = await supply.loop.create_server(EchoProtocol, "127.0.0.1", 0, ssl=tls.server_context())
    return await exchange(
        server,
        lambda address: supply.loop.create_connection(
            RecordingProtocol, *address, ssl=tls.client_context(), server_hostname="localhost"
        ),
    )


async def start_tls(supply):
    server = await supply.loop.create_server(EchoProtocol, "127.0.0.1", 0, ssl=tls.server_context())

    async def connect(address):
        transport, protocol = await supply.loop.create_connection(RecordingProtocol, *address)
        upgraded = await supply.loop.start_tls(
            transport, protocol, tls.client_context(), server_hostname="localhost"
        )
        return upgraded, protocol

    return await exchange(server, connect)


async def create_unix_server(supply):
    with tempfile.TemporaryDirectory() as folder:
        server = await supply.loop.create_unix_server(EchoProtocol, f"{folder}/socket")
        return await exchange(
            server,
            lambda path: supply.loop.create_unix_connection(RecordingProtocol, path),
        )


class Datagrams(asyncio.DatagramProtocol):
    """Keep what comes."""

    def __init__(self):
        self.received = []
        self.closed = asyncio.get_running_loop().create_future()

    def datagram_received(self, data, addr):
        self.received.append(data)

    def connection_lost(self, exc):
        self.closed.set_result(None)


async def datagrams_of(transport, protocol):
    """Return what an endpoint gets that sends to itself."""
    transport.sendto(b"new", transport.get_extra_info("sockname"))
    await wait_until(lambda: protocol.received)
    transport.abort()
    await protocol.closed
    return protocol.received


async def create_datagram_endpoint(supply):
    endpoint = await supply.loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    return await datagrams_of(*endpoint)


async def create_datagram_endpoint_sock(supply):
    endpoint = await supply.loop.create_datagram_endpoint(Datagrams, sock=supply.udp())
    return await datagrams_of(*endpoint)


async def connect_read_pipe(supply):
    reading, writing = os.pipe()
    _, protocol = await supply.loop.connect_read_pipe(RecordingProtocol, supply.file(reading, "rb"))
    os.write(writing, b"new")
    os.close(writing)
    await protocol.closed
    return protocol.received


async def connect_write_pipe(supply):
    reading, writing = os.pipe()
    transport, protocol = await supply.loop.connect_write_pipe(
        RecordingProtocol, supply.file(writing, "wb")
    )
    transport.write(b"new")
    transport.close()
    await protocol.closed
    received = os.read(reading, 10)
    os.close(reading)
    return received


async def process_of(process):
    return await process.communicate(b"new"), process.returncode


async def subprocess_exec(supply):
    return await process_of(await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1))


async def subprocess_shell(supply):
    return await process_of(await asyncio.create_subprocess_shell("cat >&2", stdin=-1, stderr=-1))


async def sendfile(supply):
    ours, peer = supply.pair()
    transport, protocol = await supply.loop.create_connection(RecordingProtocol, sock=ours)
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(bytes(1 << 20))
        sending = asyncio.ensure_future(supply.loop.sendfile(transport, file))
        received = await receive(peer, 1 << 20)
        await sending
    transport.abort()
    await protocol.closed
    return len(received)


# The method of the loop -> what uses it.
TAKING = {
    "add_reader": [add_reader, add_both],
    "add_writer": [add_writer],
    "connect_accepted_socket": [connect_accepted_socket],
    "connect_read_pipe": [connect_read_pipe],
    "connect_write_pipe": [connect_write_pipe],
    "create_connection": [create_connection_sock, create_server, create_server_sock],
    "create_datagram_endpoint": [create_datagram_endpoint, create_datagram_endpoint_sock],
    "create_server": [create_server, create_server_sock, create_server_tls],
    "create_unix_connection": [create_unix_connection_sock, create_unix_server],
    "create_unix_server": [create_unix_server],
    "remove_reader": [add_reader],
    "remove_writer": [add_writer],
    "sendfile": [sendfile],
    "sock_accept": [sock_accept],
    "sock_connect": [sock_connect],
    "sock_recv": [sock_recv],
    "sock_recv_into": [sock_recv_into],
    "sock_recvfrom": [sock_recvfrom],
    "sock_recvfrom_into": [sock_recvfrom_into],
    "sock_sendall": [sock_sendall],
    "sock_sendfile": [sock_sendfile],
    "sock_sendto": [sock_sendto],
    "start_tls": [start_tls],
    "subprocess_exec": [subprocess_exec],
    "subprocess_shell": [subprocess_shell],
}

USES = {use.__name__: use for uses in TAKING.values() for use in uses}

# Public methods of a loop that take and make no descriptor.
NOT_TAKING = {
    "abort_handshakes",
    "add_signal_handler",
    "call_at",
    "call_exception_handler",
    "call_later",
    "call_soon",
    "call_soon_threadsafe",
    "close",
    "create_future",
    "create_task",
    "default_exception_handler",
    "get_debug",
    "get_exception_handler",
    "get_task_factory",
    "getaddrinfo",
    "getnameinfo",
    "is_closed",
    "is_running",
    "remove_signal_handler",
    "run_forever",
    "run_in_executor",
    "run_until_complete",
    "set_accept_gate",
    "set_busy_poll",
    "set_debug",
    "set_default_executor",
    "set_exception_handler",
    "set_handshake_refusal",
    "set_slow_callback_hook",
    "set_task_factory",
    "set_write_coalescing",
    "shutdown_asyncgens",
    "shutdown_default_executor",
    "stats",
    "stop",
    "time",
}
