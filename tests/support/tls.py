"""TLS contexts for both ends, on a self-signed certificate for localhost, and connections."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.streams import address_of, serving
from tests.support.waiting import turns, wait_until

CERTIFICATES = Path(__file__).parent / "certificates"
CERTIFICATE = CERTIFICATES / "certificate.pem"
KEY = CERTIFICATES / "key.pem"

# What OpenSSL says of a record that was changed on its way: before 3.5, and since.
DAMAGED_RECORD = "DECRYPTION_FAILED_OR_BAD_RECORD_MAC|RECORD_LAYER_FAILURE"


def server_context() -> ssl.SSLContext:
    """Return a context that shows the test certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, KEY)
    return context


def client_context() -> ssl.SSLContext:
    """Return a context that trusts the test certificate, and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(CERTIFICATE)
    return context


class TlsConnection(NamedTuple):
    """A client's transport, its protocol, and the protocol of the server."""

    transport: asyncio.Transport
    protocol: Any
    server_side: Any


@contextlib.asynccontextmanager
async def tls_connection(
    server_protocol: Callable[[], Any] = EchoProtocol,
    client_protocol: Callable[[], Any] = RecordingProtocol,
    server: ssl.SSLContext | None = None,
    client: ssl.SSLContext | None = None,
    **options: Any,
) -> AsyncIterator[TlsConnection]:
    """Give one TLS connection of the running loop to itself; at the end both ends are lost."""
    loop = asyncio.get_running_loop()
    protocols: list[Any] = []

    def factory() -> Any:
        protocols.append(server_protocol())
        return protocols[-1]

    async with serving(factory, ssl=server or server_context()) as listening:
        transport, protocol = await loop.create_connection(
            client_protocol,
            *address_of(listening),
            ssl=client or client_context(),
            server_hostname="localhost",
            **options,
        )
        await wait_until(lambda: protocols and protocols[0].transport)
        try:
            yield TlsConnection(transport, protocol, protocols[0])
        finally:
            transport.abort()
            protocols[0].transport.abort()
            await protocol.closed
            await protocols[0].closed
            await turns(5)


async def speak_no_tls(address: tuple[str, int]) -> None:
    """Connect to a TLS server, say something else, and wait until it hangs up."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"no TLS at all\r\n" * 10)
    with contextlib.suppress(ConnectionError):
        await reader.read()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
