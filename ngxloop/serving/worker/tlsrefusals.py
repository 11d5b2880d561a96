"""Clients that send no TLS to a TLS port, and handshakes that fail: the answer and the log line.

Rule. Each kind of line is rate-limited: anybody can connect, at any rate.

The trap: a server name that is not ASCII never reaches our callback. The ssl module ends the
handshake and reports the error to sys.unraisablehook, with a traceback each time.
"""

import re
import sys
from typing import Any

from ngxloop.serving.base.plaintext import one_line
from ngxloop.serving.logs.limitedlines import LimitedLines
from ngxloop.serving.logs.logs import log

# The beginning of a request line. OpenSSL itself knows a few methods only.
_HTTP = re.compile(rb"[A-Z]{3,12} ")
_PROXY = b"PROXY "  # the PROXY protocol, from a load balancer
_BODY = b"The plain HTTP request was sent to an HTTPS port.\n"
# nginx answers so, with 497 in its log.
PLAIN_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(_BODY), _BODY)
)
_PLAIN_LINE = "plain HTTP request on a TLS port, from %s; answered with 400"
_FAILED_LINE = "TLS handshake with %s failed: %s"
_NAME_LINE = "TLS handshake failed: the server name is not ASCII"


class HandshakeRefusals:
    """The function of EventLoop.set_handshake_refusal()."""

    def __init__(self) -> None:
        self._plain = LimitedLines(log.warning)
        self._failed = LimitedLines(log.info)
        self._names = LimitedLines(log.info)

    def __call__(self, transport: Any, error: Exception, first: bytes) -> bytes | None:
        """Log a failed handshake; return the answer to a plain HTTP request, else None.

        Args:
            transport: Of the connection, below TLS.
            error: OpenSSL's.
            first: The first bytes from the client.
        """
        client = _name(transport.get_extra_info("peername"))
        if _HTTP.match(first) and not first.startswith(_PROXY):
            self._plain.add(_PLAIN_LINE, client)
            return PLAIN_ANSWER
        self._failed.add(_FAILED_LINE, client, _reason(error, first))
        return None

    def watch_names(self) -> None:
        """Log a server name that is not ASCII without a traceback."""
        report = sys.unraisablehook

        def hook(unraisable: Any) -> None:
            is_name = isinstance(unraisable.exc_value, UnicodeDecodeError)
            if is_name and type(unraisable.object) is bytes:
                self._names.add(_NAME_LINE)
            else:
                report(unraisable)

        sys.unraisablehook = hook


def _name(peer: Any) -> str:
    return f"{peer[0]}" if isinstance(peer, tuple) and peer else "a Unix socket"


def _reason(error: Exception, first: bytes) -> str:
    if first.startswith(_PROXY):
        return "the PROXY protocol is not supported"
    reason = getattr(error, "reason", None)
    text = reason.replace("_", " ").lower() if isinstance(reason, str) else str(error)
    return one_line(text)
