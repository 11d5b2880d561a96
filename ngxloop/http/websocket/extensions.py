"""The extension that is agreed on in a handshake: permessage-deflate (RFC 6455 9.1, RFC 7692 7.1).

Rules. A client offers an extension several times, with other parameters, the one that it likes best
first: the first offer that is understood is taken, and offers that are not are passed over. What is
not a list of extensions at all is an error of the client.

The windows have 4 KiB and not 32: most messages are short, and the memory is that of each
connection. A client that does not say that it can limit its window gets the largest one.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

NAME = b"permessage-deflate"
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_BLANKS = rb"[ \t]*"
_PARAMETER = rb"%b;%b%b(?:%b=%b(?:%b|\"%b\"))?" % (
    _BLANKS, _BLANKS, _TOKEN, _BLANKS, _BLANKS, _TOKEN, _TOKEN,
)  # fmt: skip
_OFFER = re.compile(rb"%b(%b)((?:%b)*)%b(?:,|$)" % (_BLANKS, _TOKEN, _PARAMETER, _BLANKS))
_NAME_AND_VALUE = re.compile(rb";[ \t]*([^ \t=;]+)(?:[ \t]*=[ \t]*\"?([^ \t;\"]+)\"?)?")
_NO_OFFER = re.compile(rb"[ \t]*(?:,|$)")

# zlib has no window of 8 bits for raw streams.
_SMALLEST_BITS, _USUAL_BITS, _LARGEST_BITS = 9, 12, 15
_WINDOW_BITS = re.compile(rb"[89]|1[0-5]")  # RFC 7692 7.1.2: without leading zeros


class DeflateParameters(NamedTuple):
    """How messages are compressed on a connection."""

    server_window_bits: int
    client_window_bits: int
    server_forgets: bool  # each message begins with an empty window
    client_forgets: bool
    answer: bytes  # the value of Sec-WebSocket-Extensions


def agree_on_deflate(value: bytes) -> DeflateParameters | None:
    """Return what is agreed on for the offers of a client; None if it offers nothing usable.

    Raises:
        ValueError: not a valid list of extensions.
    """
    agreed = None
    for name, parameters in _offers(value):
        if agreed is None and name == NAME:
            agreed = _agree(parameters)
    return agreed


def _offers(value: bytes) -> Iterator[tuple[bytes, list[tuple[bytes, bytes | None]]]]:
    """Yield the name and the parameters of each offer."""
    position = 0
    while position < len(value):
        if (empty := _NO_OFFER.match(value, position)) is not None:
            position = empty.end()
            continue
        found = _OFFER.match(value, position)
        if found is None:
            raise ValueError(f"not a list of extensions: {value!r}")
        position = found.end()
        parameters = _NAME_AND_VALUE.findall(found[2])
        yield found[1], [(name, content or None) for name, content in parameters]


def _agree(parameters: list[tuple[bytes, bytes | None]]) -> DeflateParameters | None:
    """Return what is agreed on for one offer; None if it cannot be taken."""
    offered = dict(parameters)
    if len(offered) < len(parameters):  # one of them occurs twice
        return None
    server_forgets = _take_flag(offered, b"server_no_context_takeover")
    client_forgets = _take_flag(offered, b"client_no_context_takeover")
    limits_client = b"client_max_window_bits" in offered
    server_bits = _take_bits(offered, b"server_max_window_bits", b"15")
    client_bits = _take_bits(offered, b"client_max_window_bits", b"15")
    if offered or not server_bits or not client_bits or server_bits < _SMALLEST_BITS:
        return None
    server_bits = min(server_bits, _USUAL_BITS)
    client_bits = min(client_bits, _USUAL_BITS) if limits_client else _LARGEST_BITS
    answer = [NAME, b"server_max_window_bits=%d" % server_bits]
    if limits_client:
        answer.append(b"client_max_window_bits=%d" % client_bits)
    if server_forgets:
        answer.append(b"server_no_context_takeover")
    if client_forgets:
        answer.append(b"client_no_context_takeover")
    return DeflateParameters(
        server_bits,
        max(client_bits, _SMALLEST_BITS),
        server_forgets,
        client_forgets,
        b"; ".join(answer),
    )


def _take_flag(offered: dict[bytes, bytes | None], name: bytes) -> bool:
    """Take a parameter without a value; one with a value stays, and is not understood."""
    if name not in offered or offered[name] is not None:
        return False
    del offered[name]
    return True


def _take_bits(offered: dict[bytes, bytes | None], name: bytes, default: bytes) -> int:
    """Take the size of a window; 0 if it is invalid. That of a client need not have a value."""
    if name not in offered:
        return int(default)
    value = offered.pop(name)
    if value is None:
        return int(default) if name.startswith(b"client") else 0
    return int(value) if _WINDOW_BITS.fullmatch(value) else 0
