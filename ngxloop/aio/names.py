"""Name resolution: getaddrinfo, without a thread for what needs no looking up.

A numeric host with a numeric port is answered by socket.getaddrinfo() in the loop's own thread: the
C library asks nobody, so it cannot block, and the answer is the very one that a thread would have
brought. Everything else, and debug mode with its log of slow look-ups, is asyncio's own way over
the executor.
"""

import asyncio
import socket
from typing import Any


class NameResolution:
    """What replaces methods of BaseEventLoop; getnameinfo stays its own."""

    async def getaddrinfo(
        self: Any,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, ...]]:
        """Resolve a host and a port as socket.getaddrinfo() does, without blocking the loop."""
        if self.get_debug() or not (_is_numeric(host) and (port is None or _is_int(port))):
            return await asyncio.BaseEventLoop.getaddrinfo(
                self, host, port, family=family, type=type, proto=proto, flags=flags
            )
        self._check_closed()
        return socket.getaddrinfo(host, port, family, type, proto, flags)


def _is_int(port: object) -> bool:
    return type(port) is int


def _is_numeric(host: object) -> bool:
    """Tell whether host is a plain IPv4 or IPv6 address; one with a zone needs the interfaces."""
    if type(host) is not str:
        return False
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return False
