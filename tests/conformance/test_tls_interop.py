"""TLS with others: the openssl command, and another event loop."""

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import threading

import pytest

from tests.support.loops import LOOPS
from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.sockets import LOOPBACK, refused_address
from tests.support.streams import address_of, serving
from tests.support.tls import CERTIFICATE, KEY, client_context, server_context
from tests.support.waiting import DEADLINE, turns, wait_until

OPENSSL = shutil.which("openssl")
NEEDS_OPENSSL = pytest.mark.skipif(OPENSSL is None, reason="there is no openssl command")
VERSIONS = pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
LARGE = bytes(range(256)) * 4_000


@contextlib.contextmanager
def openssl(*arguments: str):
    """Run the openssl command; it is killed at the end if it still runs."""
    with subprocess.Popen(
        [OPENSSL, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def read_until(process: subprocess.Popen[bytes], expected: bytes) -> None:
    """Read what the command prints up to a line."""
    loop = asyncio.get_running_loop()
    while (line := await loop.run_in_executor(None, process.stdout.readline)) != expected:
        assert line, f"the command ended before it printed {expected!r}"


@NEEDS_OPENSSL
@VERSIONS
async def test_the_openssl_command_is_served(version):
    protocols = []

    def factory():
        protocols.append(EchoProtocol())
        return protocols[-1]

    async with serving(factory, ssl=server_context()) as server:
        host, port = address_of(server)
        arguments = ["s_client", "-quiet", f"-{version}", "-connect", f"{host}:{port}"]
        arguments += ["-CAfile", str(CERTIFICATE), "-verify_return_error"]
        with openssl(*arguments) as process:
            process.stdin.write(b"hello\n")
            process.stdin.flush()
            await read_until(process, b"hello\n")
            process.stdin.close()
            process.terminate()
            await protocols[0].closed
        await turns(3)


@contextlib.asynccontextmanager
async def openssl_client(version: str):
    """Give the server's protocol and a function that types a line into the openssl command."""
    protocols = []

    def factory():
        protocols.append(EchoProtocol())
        return protocols[-1]

    async with serving(factory, ssl=server_context()) as server:
        host, port = address_of(server)
        with openssl("s_client", f"-{version}", "-connect", f"{host}:{port}") as process:

            def type_line(line: bytes) -> None:
                process.stdin.write(line)
                process.stdin.flush()

            type_line(b"before\n")
            await wait_until(lambda: protocols and protocols[0].received == b"before\n")
            yield protocols[0], process, type_line
            protocols[0].transport.abort()
            await protocols[0].closed
        await turns(3)


@NEEDS_OPENSSL
async def test_a_peer_may_ask_for_other_keys():
    async with openssl_client("tls1_3") as (protocol, process, type_line):
        type_line(b"K\n")  # a command of openssl's: update the keys of both directions
        await read_until(process, b"KEYUPDATE\n")
        type_line(b"after\n")
        await read_until(process, b"after\n")
        assert protocol.received == b"before\nafter\n"


@NEEDS_OPENSSL
async def test_a_peer_that_asks_for_a_renegotiation_is_refused():
    async with openssl_client("tls1_2") as (protocol, process, type_line):
        type_line(b"R\n")  # a command of openssl's: renegotiate
        await read_until(process, b"RENEGOTIATING\n")
        await protocol.closed
        assert isinstance(protocol.lost_with, ssl.SSLError)


@NEEDS_OPENSSL
@VERSIONS
async def test_the_openssl_command_serves_us(version):
    loop = asyncio.get_running_loop()
    host, port = refused_address()
    arguments = ["s_server", "-quiet", f"-{version}", "-accept", f"{host}:{port}", "-rev"]
    arguments += ["-cert", str(CERTIFICATE), "-key", str(KEY)]
    with openssl(*arguments):
        deadline = loop.time() + DEADLINE
        while True:
            try:
                transport, protocol = await loop.create_connection(
                    RecordingProtocol,
                    host,
                    port,
                    ssl=client_context(),
                    server_hostname="localhost",
                )
                break
            except ConnectionRefusedError:  # it does not listen yet
                assert loop.time() < deadline
        transport.write(b"hello\n")
        await wait_until(lambda: protocol.received == b"olleh\n")
        transport.abort()
        await protocol.closed


class ServerThread:
    """A TLS echo server on a loop of its own, in a thread of its own."""

    def __init__(self, factory, context: ssl.SSLContext) -> None:
        self.factory = factory
        self.context = context
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(DEADLINE)
        return self

    def __exit__(self, *_) -> None:
        self.loop.call_soon_threadsafe(self.done.set_result, None)
        self.thread.join()

    def run(self) -> None:
        self.loop = self.factory()
        self.loop.run_until_complete(self.serve())
        self.loop.close()

    async def serve(self) -> None:
        self.done = self.loop.create_future()
        ended = []

        async def echo(reader, writer):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.close()
            await writer.wait_closed()
            ended.append(True)

        async with await asyncio.start_server(echo, LOOPBACK, 0, ssl=self.context) as server:
            self.address = address_of(server)
            self.ready.set()
            await self.done
            await wait_until(lambda: ended, "the server's end of the connection")
            await turns(3)


@VERSIONS
@pytest.mark.parametrize("server_loop", LOOPS)
async def test_two_loops_exchange_much_data(server_loop, version):
    context = client_context()
    context.maximum_version = {
        "tls1_2": ssl.TLSVersion.TLSv1_2,
        "tls1_3": ssl.TLSVersion.TLSv1_3,
    }[version]
    with ServerThread(LOOPS[server_loop], server_context()) as server:
        reader, writer = await asyncio.open_connection(
            *server.address, ssl=context, server_hostname="localhost"
        )

        async def send():
            for start in range(0, len(LARGE), 50_000):
                writer.write(LARGE[start : start + 50_000])
                await writer.drain()

        sending = asyncio.create_task(send())
        assert await reader.readexactly(len(LARGE)) == LARGE
        await sending
        writer.close()
        await writer.wait_closed()


@NEEDS_OPENSSL
@pytest.mark.parametrize("amount", [0, 1_000_000], ids=["nothing_waits", "output_waits"])
async def test_output_goes_on_in_order_around_a_key_update(amount):
    loop = asyncio.get_running_loop()
    printed = bytearray()
    protocols = []

    def factory():
        protocols.append(RecordingProtocol())
        return protocols[-1]

    async def type_and_read_until(line, expected):
        process.stdin.write(line)
        process.stdin.flush()
        while expected not in printed:
            text = await loop.run_in_executor(None, process.stdout.read1)
            assert text, "the command has ended"
            printed.extend(text)

    async with serving(factory, ssl=server_context()) as server:
        host, port = address_of(server)
        arguments = ["s_client", "-tls1_3", "-connect", f"{host}:{port}"]
        with openssl(*arguments, "-CAfile", str(CERTIFICATE)) as process:
            await wait_until(lambda: protocols and protocols[0].transport)
            transport = protocols[0].transport
            transport.write(b"." * amount + b"before|")
            await type_and_read_until(b"K\n", b"KEYUPDATE\n")  # it asks us for one, too
            transport.write(b"after|")
            await type_and_read_until(b"text\n", b"after|")
            await wait_until(lambda: protocols[0].received == b"text\n")
            transport.writelines([b"en", b"d|"])
            await type_and_read_until(b"", b"end|")
            transport.close()
            await protocols[0].closed

    text = printed.replace(b"KEYUPDATE\n", b"")
    assert text.endswith(b"." * amount + b"before|after|end|")
