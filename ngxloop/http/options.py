"""Options: everything about the engine that its user can set."""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ngxloop.http.proxies import TrustedProxies

# What a field of --header and of Options.headers may have (RFC 9110 5.1, 5.5).
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
# What the engine says itself.
_RESERVED = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class AccessRecord(NamedTuple):
    """One request that was answered, refused or left by its client; for an access log."""

    client: tuple[str, int] | None
    method: str  # "" if no request line was understood; so are the next three
    target: str  # as received: path and query
    http_version: str
    status: int  # 499: the client left before an answer was complete
    body_bytes: int  # of the answer, as the application has sent them
    seconds: float  # since the first byte of the request
    # Fields with their names in lower case; those of the answer as the application has given them.
    request_headers: Sequence[tuple[bytes, bytes]] = ()
    response_headers: Sequence[tuple[bytes, bytes]] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """How requests are taken and answered. Times are in seconds, sizes in bytes.

    A limit of 0 is none, a time-out of 0 as well.
    """

    root_path: str = ""  # the path at which a proxy has mounted the application
    server_header: bool = True  # answers name the server, unless the application does
    date_header: bool = True
    headers: Sequence[tuple[bytes, bytes]] = ()  # fields of every answer, those of ours as well
    # The head of a request: from its first byte, or from the connection, to its end.
    client_header_timeout: float = 60.0
    # The body: between two reads. It stands still while the application reads nothing.
    client_body_timeout: float = 60.0
    # The answer: the client must take something of what waits for it.
    send_timeout: float = 60.0
    # An idle connection, between two requests.
    timeout_keep_alive: float = 75.0
    keepalive_requests: int = 1000  # after so many requests a connection is closed
    # How long a client may go on sending after a last answer: altogether, and between two reads.
    lingering_time: float = 30.0
    lingering_timeout: float = 5.0
    # What a head may have: 414 for the target, 431 for the others.
    limit_target_bytes: int = 8192
    limit_field_line_bytes: int = 8192
    limit_fields_bytes: int = 32768
    limit_field_count: int = 1000
    client_max_body_size: int = 0  # 413 above it
    limit_concurrency: int = 0  # requests in progress above which others get 503; 0: no limit
    # WebSockets. A message that is larger closes its connection (1009); while more of them wait for
    # the application nothing more is read.
    ws_max_size: int = 16 * 2**20
    ws_max_queue: int = 32
    ws_ping_interval: float = 20.0
    ws_ping_timeout: float = 20.0  # a client that does not answer a Ping is closed (1011)
    ws_per_message_deflate: bool = True
    # In a drain they are closed one after the other, in this time altogether.
    websocket_drain: float = 5.0
    underscores_in_headers: bool = True  # False: fields with `_` in their name are dropped
    # The proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted, see TrustedProxies.
    forwarded_allow_ips: str = ""
    forwarded_hops: int = 1  # with "*": how many proxies a request passes
    access_log: Callable[[AccessRecord], object] | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: one of them is out of range.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and value < 0:
                raise ValueError(f"{field.name} must not be negative: {value!r}")
        for name in (
            "limit_target_bytes",
            "limit_field_line_bytes",
            "limit_fields_bytes",
            "limit_field_count",
        ):
            if not 1 <= getattr(self, name) <= 1 << 24:
                raise ValueError(f"{name} must be between 1 and {1 << 24}")
        if self.ws_max_queue < 1:
            raise ValueError(f"ws_max_queue must be positive: {self.ws_max_queue!r}")
        TrustedProxies(self.forwarded_allow_ips, self.forwarded_hops)
        if self.root_path and not self.root_path.startswith("/"):
            raise ValueError(f"root_path must begin with a slash: {self.root_path!r}")
        for field_name, field_value in self.headers:
            check_header(field_name, field_value)


def check_header(name: bytes, value: bytes) -> None:
    """Check a field that is to be in every answer.

    Raises:
        ValueError: it is no field, or one that the engine has to choose.
    """
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError(f"headers has an invalid field: {name!r}, {value!r}")
    if name.lower() in _RESERVED:
        raise ValueError(f"headers cannot have {name.decode()}: it depends on the answer")
