"""The addresses a user can write after --bind, parsed."""

import collections
import dataclasses
import re
from collections.abc import Iterable

_TCP = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]+)")
ANY_IPV4, ANY_IPV6 = "0.0.0.0", "::"
_MAX_PORT = 65535
_MAX_FD = 2**31 - 1  # an int of C
_FORMS = "give HOST:PORT, [IPV6]:PORT, unix:PATH, fd://N or systemd:NAME"
# What may stand before an address, and whether connections there speak TLS then. Without it, they
# do if there is a certificate.
SCHEMES = {"http": False, "tcp": False, "https": True, "tls": True}


@dataclasses.dataclass(frozen=True)
class _AnyBind:
    """What all addresses have; the same address is the same socket, with TLS or without."""

    is_tls: bool | None = dataclasses.field(default=None, compare=False, kw_only=True)


@dataclasses.dataclass(frozen=True)
class TcpBind(_AnyBind):
    """A host, by name or number (empty: every IPv4 address), and a port (0: any free one)."""

    host: str
    port: int
    # [::] stands for every address of both kinds, unless another one is given for the port.
    has_ipv4: bool = dataclasses.field(default=False, compare=False)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class UnixBind(_AnyBind):
    """A socket in the file system, or in the abstract namespace if the path begins with @."""

    path: str
    uid: int = -1  # whom the file is given to, and which group; -1: nobody
    gid: int = -1

    def __str__(self) -> str:
        return f"unix:{self.path}"

    @property
    def is_abstract(self) -> bool:
        """Say whether there is no file behind the name."""
        return self.path.startswith("@")

    @property
    def address(self) -> str:
        """Return what bind() and connect() take."""
        return "\0" + self.path[1:] if self.is_abstract else self.path


@dataclasses.dataclass(frozen=True)
class FdBind(_AnyBind):
    """A socket that was opened by whoever started us, by its number."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


@dataclasses.dataclass(frozen=True)
class SystemdBind(_AnyBind):
    """The sockets that systemd has opened for us: all, or those of one name."""

    name: str

    def __str__(self) -> str:
        return f"systemd:{self.name}"


Bind = TcpBind | UnixBind | FdBind | SystemdBind


def parse_bind(text: str) -> Bind:
    """Return the address that a --bind value names.

    Raises:
        ValueError: it names none; the message says what is wrong and which forms there are.
    """
    scheme, separator, address = text.partition("://")
    if separator and scheme in SCHEMES:
        return dataclasses.replace(_parse(address), is_tls=SCHEMES[scheme])
    return _parse(text)


def complete_binds(binds: Iterable[Bind]) -> list[Bind]:
    """Return each address once, and let [::] accept IPv4 too where no other one has its port."""
    once = list(dict.fromkeys(binds))
    ports = collections.Counter(bind.port for bind in once if isinstance(bind, TcpBind))
    return [
        dataclasses.replace(bind, has_ipv4=True)
        if isinstance(bind, TcpBind) and bind.host == ANY_IPV6 and ports[bind.port] == 1
        else bind
        for bind in once
    ]


def _parse(text: str) -> Bind:
    if text.startswith("unix:"):
        return _parse_unix(text)
    if text.startswith("fd://"):
        return _parse_fd(text)
    if text.startswith("systemd:"):
        return SystemdBind(text.removeprefix("systemd:"))
    return _parse_tcp(text)


def _parse_unix(text: str) -> UnixBind:
    path = text.removeprefix("unix:")
    if not path.strip("@") or "\0" in path:
        raise ValueError(f"{text!r} has no path; give unix:/run/app.sock, say")
    return UnixBind(path)


def _parse_fd(text: str) -> FdBind:
    number = text.removeprefix("fd://")
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"{text!r} has no file descriptor number; give fd://3, say")
    if int(number) > _MAX_FD:
        raise ValueError(f"{text!r} is no file descriptor; give fd://3, say")
    return FdBind(int(number))


def _parse_tcp(text: str) -> TcpBind:
    found = _TCP.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not an address; {_FORMS}")
    port = int(found["port"])
    if port > _MAX_PORT:
        raise ValueError(f"port {port} in {text!r} is too large; ports end at {_MAX_PORT}")
    return TcpBind(found["v6"] or found["host"], port)
