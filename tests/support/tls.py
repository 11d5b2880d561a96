"""TLS contexts for both ends, on a self-signed certificate for localhost."""

import ssl
from pathlib import Path

CERTIFICATES = Path(__file__).parent / "certificates"
CERTIFICATE = CERTIFICATES / "certificate.pem"
KEY = CERTIFICATES / "key.pem"


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
