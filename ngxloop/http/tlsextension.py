"""The ASGI extension `tls`: what an application learns of a connection's TLS.

Source: ASGI's TLS extension, version 0.2. A client certificate that is not valid ends the
handshake, so that `client_cert_error` is always None.
"""

import _ssl
import functools
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_SUITE = 0xFFFF  # OpenSSL has its number of a cipher suite above that of IANA
# RFC 4514 3. Other types keep the name that OpenSSL has for them.
_SHORT_NAMES = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
_ESCAPED = frozenset(',+"\\<>;')


def describe_tls(connection: ssl.SSLObject) -> dict[str, Any]:
    """Return the extension for a connection after its handshake."""
    cipher = connection.cipher()
    chain = _client_chain(connection)
    return {
        "server_cert": getattr(connection.context, "certificate_pem", None),
        "client_cert_chain": chain,
        "client_cert_name": _client_name(connection) if chain else None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(connection.version() or ""),
        "cipher_suite": _cipher_suites().get(cipher[0]) if cipher else None,
    }


def distinguished_name(subject: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Return a subject, as SSLObject.getpeercert() has it, as RFC 4514 writes it."""
    return ",".join("+".join(map(_attribute, part)) for part in reversed(list(subject)))


# Private -----------------------------------------------------------------------------------------


def _client_chain(connection: ssl.SSLObject) -> tuple[str, ...]:
    """Return the certificates that the client has sent, in PEM, its own first."""
    if connection.context.verify_mode is ssl.CERT_NONE:
        return ()
    if connection.getpeercert(binary_form=True) is None:
        return ()  # the chain would be [None]
    # The method of SSLObject is new in Python 3.13; what it calls is not.
    chain: Sequence[Any] = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    return tuple(one.public_bytes(_ssl.ENCODING_PEM) for one in chain)


def _client_name(connection: ssl.SSLObject) -> str:
    facts: Mapping[str, Any] = connection.getpeercert() or {}
    return distinguished_name(facts.get("subject", ()))


@functools.cache
def _cipher_suites() -> Mapping[str, int]:
    """Return the numbers of all cipher suites that this OpenSSL has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    return {one["name"]: one["id"] & _SUITE for one in context.get_ciphers()}


def _attribute(pair: tuple[str, str]) -> str:
    name, value = pair
    return f"{_SHORT_NAMES.get(name, name)}={_escape(value)}"


def _escape(value: str) -> str:
    """Escape what RFC 4514 2.4 asks for."""
    shown = "".join(f"\\{one}" if one in _ESCAPED else one for one in value)
    if shown.startswith((" ", "#")):
        shown = f"\\{shown}"
    if len(value) > 1 and shown.endswith(" "):
        shown = f"{shown[:-1]}\\ "
    return shown.replace("\0", "\\00")
