"""Certificates for one test: an authority in memory, and files of what it has issued."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Pair(NamedTuple):
    """The files of a certificate and its key."""

    certificate: Path
    key: Path

    @property
    def options(self) -> tuple[str, ...]:
        """Return the options of ngxloop-serve that name them."""
        return ("--ssl-certfile", str(self.certificate), "--ssl-keyfile", str(self.key))

    @property
    def pem(self) -> str:
        """Return the certificate."""
        return self.certificate.read_text()


class Authority:
    """Issues certificates into a folder."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = _builder(self._name, self._name, self._key.public_key(), 1)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        made = certificate.add_extension(constraints, critical=True)
        self.pem: str = _pem(made.sign(self._key, hashes.SHA256())).decode()
        self.path = folder / f"{name.replace(' ', '-').lower()}.pem"
        self.path.write_text(self.pem)

    def issue(
        self,
        *names: str,
        days: float = 1,
        password: str | None = None,
        subject: x509.Name | None = None,
        stem: str = "",
    ) -> Pair:
        """Issue a certificate for server names and addresses.

        Args:
            names: Those of subjectAltName; the first is the common name, too.
            days: For how long it is valid; with a negative number it has expired.
            password: Of the key; None: it is not encrypted.
            subject: Whom it is for, instead of the common name.
            stem: Of the names of the files; by default the first name.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = _builder(subject, self._name, key.public_key(), days)
        if names:
            alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        stem = stem or names[0].replace("*", "any")
        pair = Pair(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        write_new(pair.certificate, _pem(builder.sign(self._key, hashes.SHA256())))
        write_new(pair.key, key_pem(key, password))
        return pair

    def client_context(self, pair: Pair | None = None, **settings: Any) -> ssl.SSLContext:
        """Return the context of a client that trusts this authority alone.

        Args:
            pair: Its own certificate.
            settings: Attributes of the context, for example maximum_version.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.pem)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        for name, value in settings.items():
            setattr(context, name, value)
        return context


def write_new(path: Path, data: bytes) -> None:
    """Replace a file as certbot does: whoever reads it sees the old one or the new one."""
    new = path.with_suffix(".new")
    new.write_bytes(data)
    new.replace(path)


def key_pem(key: Any, password: str | None) -> bytes:
    """Return a private key in PEM."""
    encryption: Any = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password.encode())
    return bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )


def _builder(subject: Any, issuer: Any, public_key: Any, days: float) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    begin, end = sorted((now - datetime.timedelta(hours=1), now + datetime.timedelta(days=days)))
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
