"""Certificates of the server with their keys: read, checked, and loaded into one context each.

Rules.
1. Every error is one line that names the file. OpenSSL never asks for a password by itself.
2. The first certificate of a file is the server's; its names are those of subjectAltName, or the
   common name if there are none.
"""

import _ssl
import dataclasses
import re
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.config.keypasswords import forget_password, typed_password
from ngxloop.serving.config.pemfiles import named, read_pem

_CERTIFICATE = re.compile(
    rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL | re.ASCII
)
_PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----", re.ASCII)
_ENCRYPTED = re.compile(
    rb"^(-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED)", re.MULTILINE
)
# OpenSSL's reasons for a key of another certificate; the last one for another algorithm.
_NO_PAIR = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


class ServerContext(ssl.SSLContext):
    """A context with one certificate, which is also kept as PEM text."""

    certificate_pem: str


@dataclasses.dataclass(frozen=True)
class Certificate:
    """One certificate with its chain and key, as read from the files."""

    path: str
    content: bytes
    key_path: str
    key: bytes
    names: Sequence[str]  # for which it is, in lower case; may begin with *.
    begins: float
    expires: float

    @property
    def warnings(self) -> Iterator[str]:
        """Yield a line if clients will reject the certificate."""
        now, remedy = time.time(), "renew it, then reload (HUP)"
        if now >= self.expires:
            yield f"the certificate in {self.path} has expired on {_date(self.expires)}; {remedy}"
        elif now < self.begins:
            yield f"the certificate in {self.path} is not valid before {_date(self.begins)}"

    def load(self, context: ServerContext, password: str | None) -> None:
        """Load the certificate and its key into a context.

        Args:
            context: A context without a certificate.
            password: Of the key, if it is encrypted; None: the typed one.

        Raises:
            ConfigError: The key does not match the certificate, or cannot be decrypted; or
                OpenSSL's policy rejects one of them.
        """
        is_typed = password is None and bool(_ENCRYPTED.search(self.key))
        if is_typed:
            password = self._ask()
        try:
            with named(self.content) as certificate, named(self.key) as key:
                context.load_cert_chain(certificate, key, lambda: password or "")
        except ConfigError:
            raise
        except (ssl.SSLError, ValueError) as error:  # ValueError: a password that is too long
            if is_typed:
                forget_password(self.key_path)
            raise self._explain(error, is_typed=is_typed) from None
        context.certificate_pem = _first(self.content).decode("ascii", "replace") + "\n"

    def _ask(self) -> str:
        try:
            password = typed_password(self.key_path)
        except (KeyboardInterrupt, EOFError):
            raise ConfigError("ssl-keyfile", f"no password given for {self.key_path}") from None
        if password is None:
            problem = f"the key in {self.key_path} is encrypted, and there is no terminal to ask on"
            remedy = "set NGXLOOP_SSL_KEYFILE_PASSWORD, or decrypt it (openssl pkey)"
            raise ConfigError("ssl-keyfile", f"{problem}; {remedy}")
        return password

    def _explain(self, error: Exception, *, is_typed: bool) -> ConfigError:
        reason = getattr(error, "reason", None) or str(error)
        if reason in _NO_PAIR:
            problem = f"the key in {self.key_path} does not match the certificate in {self.path}"
            return ConfigError("ssl-keyfile", f"{problem}; give the file with its key")
        if _ENCRYPTED.search(self.key) and not reason.startswith(("EE_", "CA_")):
            option = "ssl-keyfile" if is_typed else "ssl-keyfile-password"
            return ConfigError(option, f"wrong password for the key in {self.key_path}")
        problem = f"OpenSSL rejects {self.path} with the key in {self.key_path}: {reason}"
        return ConfigError("ssl-certfile", f"{problem}; check both files")


def read_certificate(path: str, key_path: str | None, *, is_strict: bool) -> Certificate:
    """Read a certificate and its key.

    Args:
        path: The file of the certificate, followed by those that lead to the authority.
        key_path: The file of the key; None: the same file.
        is_strict: Refuse files that others than root could have written.

    Raises:
        ConfigError: A file cannot be read, or holds something else.
    """
    content = read_pem("ssl-certfile", path, is_strict=is_strict)
    facts = _facts(path, content)
    option = "ssl-certfile" if key_path is None else "ssl-keyfile"
    key = content if key_path is None else read_pem(option, key_path, is_strict=is_strict)
    if not _PRIVATE_KEY.search(key):
        problem = f"{key_path or path} contains no private keys in PEM"
        remedy = "give --ssl-keyfile too" if key_path is None else "give the file with the key"
        raise ConfigError(option, f"{problem}; {remedy}")
    return Certificate(
        path,
        content,
        key_path or path,
        key,
        _names(facts),
        ssl.cert_time_to_seconds(facts["notBefore"]),
        ssl.cert_time_to_seconds(facts["notAfter"]),
    )


def load_authorities(context: ssl.SSLContext, path: str, content: bytes) -> None:
    """Let a context verify client certificates.

    Raises:
        ConfigError: There are no certificates in the file.
    """
    try:
        with named(content) as place:
            context.load_verify_locations(place)
    except ssl.SSLError:
        problem = f"{path} contains no certificates in PEM, or a damaged one"
        raise ConfigError("ssl-ca-certs", f"{problem}; give the file of the CA") from None


# Private -----------------------------------------------------------------------------------------


def _facts(path: str, content: bytes) -> Mapping[str, Any]:
    """Return the first certificate as SSLSocket.getpeercert() would.

    The function is the one that the ssl module's own tests use. The public ones need a connection
    and a certificate that is valid today.
    """
    try:
        with named(_first(content)) as place:
            facts: Mapping[str, Any] = _ssl._test_decode_cert(place)  # type: ignore[attr-defined]
    except ssl.SSLError:
        problem = f"{path} contains no certificates in PEM, or a damaged one"
        raise ConfigError("ssl-certfile", f"{problem}; give the certificate file") from None
    return facts


def _first(content: bytes) -> bytes:
    found = _CERTIFICATE.search(content)
    return found[0] if found else b""


def _names(facts: Mapping[str, Any]) -> Sequence[str]:
    alternatives = [value for kind, value in facts.get("subjectAltName", ()) if kind == "DNS"]
    common = [value for part in facts["subject"] for kind, value in part if kind == "commonName"]
    return [name.lower() for name in alternatives or common]


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
