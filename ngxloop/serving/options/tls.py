"""Options: TLS; uvicorn's names and meanings where it has the option.

Without a certificate the other options are refused; see check_tls() in config/tls.py.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import (
    FILE,
    SOME_SECONDS,
    ValueKind,
    anything,
    choice,
    several,
    text,
)

# Those for which the server makes the TLS connections; programs make their own.
TLS_INTERFACES = ("asgi", "aiohttp", "protocol", "streams")
CERT_REQS = ("none", "optional", "required")
MIN_VERSIONS = ("1.2", "1.3")


def _mode(value: Any) -> Any:
    """Take the number of a mode, as in ssl.CERT_REQUIRED, for its name."""
    numbers = {str(number): name for number, name in enumerate(CERT_REQS)}
    return numbers.get(str(value), value)


def _version(value: Any) -> Any:
    """Take the number 1.3 of a file for the text, and TLSv1.3 and tls1.3 for 1.3."""
    if isinstance(value, float):
        return str(value)
    return value.lower().removeprefix("tls").removeprefix("v") if isinstance(value, str) else value


_CERT_REQS = dataclasses.replace(choice("MODE", CERT_REQS), from_text=_mode, from_toml=_mode)
_MIN_VERSION = dataclasses.replace(
    choice("VERSION", MIN_VERSIONS), from_text=_version, from_toml=_version
)


def _files() -> ValueKind:
    return several(FILE, "files", is_empty_allowed=True)


def _for_tls(default: Any, kind: ValueKind, meaning: str, **more: Any) -> Any:
    return option(default, kind, meaning, interfaces=TLS_INTERFACES, **more)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """HTTPS, and TLS for protocols and stream handlers; see [tls.md](tls.md)."""

    title: ClassVar[str] = "TLS"

    ssl_certfile: Sequence[str] = _for_tls(
        (),
        _files(),
        "certificate chain in PEM; repeatable, each with its --ssl-keyfile: selected by server "
        "name (SNI), the first is the default",
    )
    ssl_keyfile: Sequence[str] = _for_tls(
        (), _files(), "private key in PEM; by default, in the certificate file"
    )
    ssl_keyfile_password: str | None = _for_tls(
        None,
        anything("PASSWORD"),
        "password of encrypted private keys; by default, asked for at the terminal. Other users "
        "can see a command line: prefer the environment or a file",
        is_secret=True,
    )
    ssl_ca_certs: str | None = _for_tls(
        None, FILE, "CA certificates in PEM to verify client certificates with"
    )
    ssl_cert_reqs: str = _for_tls(
        "none", _CERT_REQS, "client certificates: none, optional, required"
    )
    ssl_ciphers: str | None = _for_tls(
        None, text("LIST", "a list of ciphers"), "ciphers of TLS 1.2 in OpenSSL's format"
    )
    ssl_min_version: str = _for_tls("1.2", _MIN_VERSION, "lowest TLS version: 1.2, 1.3")
    ssl_handshake_timeout: float = _for_tls(
        60.0, SOME_SECONDS, "close a connection whose handshake takes longer"
    )
