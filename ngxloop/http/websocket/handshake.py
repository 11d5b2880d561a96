"""The handshake that makes a WebSocket of a request (RFC 6455 4.2): what the client asks for.

Rules. A version other than 13 is answered with 426 and the version that is spoken here; a handshake
that is invalid otherwise with 400. Upgrade and Connection have been looked at by the parser of the
head, and a request without them, or with another method than GET, is answered as any other.
"""

import base64
import binascii
import hashlib
from typing import NamedTuple

from ngxloop.http.websocket.extensions import DeflateParameters, agree_on_deflate

Headers = list[tuple[bytes, bytes]]

_VERSION = b"13"
_KEY_BYTES, _KEY_CHARACTERS = 16, 24
_KEY_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 1.3
_BAD_REQUEST, _UPGRADE_REQUIRED = 400, 426


class Handshake(NamedTuple):
    """What a client asks for, and what is to be answered."""

    refusal: int  # the status, 0 if nothing is wrong
    accept: bytes = b""  # the value of Sec-WebSocket-Accept
    subprotocols: tuple[str, ...] = ()
    deflate: DeflateParameters | None = None


def read_handshake(headers: Headers, *, offers_deflate: bool) -> Handshake:
    """Return what the fields of a request say."""
    keys = _values(headers, b"sec-websocket-key")
    if _values(headers, b"sec-websocket-version") != [_VERSION]:
        return Handshake(_UPGRADE_REQUIRED)
    if len(keys) != 1 or not _is_key(keys[0]):
        return Handshake(_BAD_REQUEST)
    try:
        offers = b",".join(_values(headers, b"sec-websocket-extensions"))
        deflate = agree_on_deflate(offers) if offers_deflate and offers else None
    except ValueError:
        return Handshake(_BAD_REQUEST)
    protocols = b",".join(_values(headers, b"sec-websocket-protocol")).decode("latin-1")
    return Handshake(
        0,
        base64.b64encode(hashlib.sha1(keys[0] + _KEY_SUFFIX, usedforsecurity=False).digest()),
        tuple(word for part in protocols.split(",") if (word := part.strip(" \t"))),
        deflate,
    )


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for key, value in headers if key == name]


def _is_key(key: bytes) -> bool:
    """Return whether it is base64 of 16 bytes."""
    try:
        content = base64.b64decode(key, validate=True)
    except binascii.Error:
        return False
    return len(key) == _KEY_CHARACTERS and len(content) == _KEY_BYTES
