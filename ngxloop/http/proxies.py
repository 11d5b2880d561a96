"""TrustedProxies: the client that a proxy names, for those proxies that are believed.

Rules. A proxy appends the address that it was called from to X-Forwarded-For; everything left of
what a trusted proxy has written can be anybody's invention. So the list is read from its right end,
and the first address that is not that of a trusted proxy is the client. Where everybody is trusted
(`*`) that rule finds nothing: then the number of proxies has to be known.
"""

import functools
import ipaddress
from collections.abc import Sequence
from typing import Any

Address = tuple[str, int] | None
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Field values of X-Forwarded-Proto that are believed.
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}

_WORDS = frozenset({"*", "unix:"})  # in a list, besides addresses and networks
_LISTS = 8  # the number of lists that are parsed once
# The number of addresses for which the answer of _trusts_host() is cached.
_REMEMBERED = 1024
_MAPPED_BITS = 96  # of ::ffff:0:0/96, the prefix of IPv4-mapped addresses

_PORT_MAX = 0xFFFF


class TrustedProxies:
    """Which proxies are believed, and what they say of a request."""

    def __init__(self, allowed: str, hops: int) -> None:
        """Trust the peers that a list names.

        Args:
            allowed: addresses, networks (10.0.0.0/8), `unix:` for peers on Unix sockets, or `*` for
                all; separated by commas.
            hops: with `*`, how many proxies a request passes: that many addresses from the right
                end of X-Forwarded-For is the client's.

        Raises:
            ValueError: an entry is none of these, or hops is not positive.
        """
        if hops < 1:
            raise ValueError(f"the number of proxies must be positive: {hops!r}")
        names, self._networks = _parse_list(allowed)
        self._all = "*" in names
        self._unix = self._all or "unix:" in names
        self._hops = hops
        self._is_trusted = functools.lru_cache(_REMEMBERED)(self._trusts_host)

    def apply(self, scope: dict[str, Any]) -> None:
        """Give a scope the client and the scheme that a trusted peer has named."""
        peer = scope["client"]
        if not (self._unix if peer is None else self._is_trusted(peer[0])):
            return
        scheme = _joined(scope["headers"], b"x-forwarded-proto").rpartition(",")[2].strip().lower()
        if scheme in _SCHEMES:
            scope["scheme"] = _SCHEMES[scheme]
        named = _joined(scope["headers"], b"x-forwarded-for").split(",")
        scope["client"] = self._client([address.strip() for address in named], peer)

    def _client(self, named: list[str], peer: Address) -> Address:
        """Return the client in a list of addresses; what cannot be read ends it."""
        client = peer
        for number, text in enumerate(reversed(named), 1):
            address = _parsed(text)
            if address is None:
                break
            client = address
            if number == self._hops if self._all else not self._is_trusted(address[0]):
                break
        return client

    def _trusts_host(self, host: str) -> bool:
        if self._all:
            return True
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self._networks)


# A list is parsed once: the options, their user and the engine all read the same one.
@functools.lru_cache(_LISTS)
def _parse_list(allowed: str) -> tuple[frozenset[str], Sequence[_Network]]:
    """Return the words of a list, and its networks."""
    entries = [entry.strip() for entry in allowed.split(",") if entry.strip()]
    names = frozenset(_WORDS.intersection(entries))
    return names, tuple(_network(entry) for entry in entries if entry not in names)


def _network(text: str) -> _Network:
    """Return a network; one of IPv4-mapped addresses is that of their IPv4 addresses."""
    network = ipaddress.ip_network(text)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


def _joined(headers: list[tuple[bytes, bytes]], name: bytes) -> str:
    """Return the values of a field's lines as one list."""
    return b",".join([value for key, value in headers if key == name]).decode("latin-1")


def _parsed(text: str) -> Address:
    """Return (host, port) of `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.

    Without a port it is 0; None: it is no address.
    """
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        if port and not port.startswith(":"):
            return None
        port = port[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if "%" in host:  # a scope, which may be any text
        return None
    try:
        ipaddress.ip_address(host)
        number = int(port) if port.isascii() and port.isdigit() else -bool(port)
    except ValueError:
        return None
    return (host, number) if 0 <= number <= _PORT_MAX else None
