"""Clients of a TLS server, for tests that look at its certificates, sessions and refusals."""

import contextlib
import ssl
from collections.abc import Iterator

from tests.serving.http_support import GET, Answer, ask
from tests.serving.support import Server, connect
from tests.support.authority import Authority


@contextlib.contextmanager
def tls_connection(
    server: Server | tuple[str, int],
    context: ssl.SSLContext,
    name: str = "localhost",
    session: ssl.SSLSession | None = None,
) -> Iterator[ssl.SSLSocket]:
    """Give a connection after its handshake."""
    address = server.address if isinstance(server, Server) else server
    with (
        connect(address) as sock,
        context.wrap_socket(sock, server_hostname=name, session=session) as tls,
    ):
        yield tls


def ask_tls(
    server: Server, authority: Authority, request: bytes = GET, name: str = "localhost"
) -> Answer:
    """Send a request on a connection of its own and return the answer."""
    with tls_connection(server, authority.client_context(), name) as sock:
        return ask(sock, request)


def shown_certificate(server: Server | tuple[str, int], name: str) -> str:
    """Return the certificate, in PEM, that a client gets that asks for a server name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with tls_connection(server, context, name) as sock:
        certificate = sock.getpeercert(binary_form=True)
    assert certificate is not None
    return ssl.DER_cert_to_PEM_cert(certificate)
