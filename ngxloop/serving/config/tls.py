"""The TLS contexts of a generation: made by the master, before the fork and with its rights.

Workers inherit them by the fork, together with the keys of session tickets: any worker resumes a
session of any other. A reload makes new contexts and so rotates the keys. Children that speak no
TLS inherit them too, and free them first: forget_keys().
"""

import ssl
import weakref
from collections.abc import Sequence

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.config.certificates import (
    Certificate,
    ServerContext,
    load_authorities,
    read_certificate,
)
from ngxloop.serving.config.keypasswords import forget_passwords
from ngxloop.serving.config.pemfiles import read_pem
from ngxloop.serving.options.binds import Bind
from ngxloop.serving.options.table import options_of
from ngxloop.serving.options.tls import CERT_REQS, TlsOptions

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_OPTIONS = options_of([TlsOptions])

_all: "weakref.WeakSet[Tls]" = weakref.WeakSet()  # of every generation


class Tls:
    """The contexts of one configuration, one for each certificate.

    Args:
        certificates: Those of the options, the default first.
        contexts: Their contexts, in the same order.
        warnings: Lines for the operator.
    """

    def __init__(
        self,
        certificates: Sequence[Certificate],
        contexts: Sequence[ServerContext],
        warnings: Sequence[str],
    ) -> None:
        self.warnings: Sequence[str] = warnings
        self._contexts = contexts
        self._by_name: dict[str, ServerContext] = {}
        for certificate, context in zip(certificates, contexts, strict=True):
            for name in certificate.names:
                self._by_name.setdefault(name, context)
        if len(contexts) > 1:
            self.context.sni_callback = self._switch_by_sni
        _all.add(self)

    @property
    def context(self) -> ServerContext:
        """The default context, with which every handshake begins."""
        return self._contexts[0]

    def offer(self, protocols: Sequence[str]) -> None:
        """Set the application protocols for clients that negotiate one (ALPN)."""
        for context in self._contexts:
            context.set_alpn_protocols(protocols)

    def free(self) -> None:
        """Free the contexts, if nothing else has them; OpenSSL overwrites their keys."""
        self.context.sni_callback = None  # it refers to us
        self._contexts = ()
        self._by_name.clear()

    def find_by_sni(self, name: str) -> ServerContext:
        """Return the context for a server name: an exact match, a wildcard's, or the default."""
        name = name.lower()
        _, dot, domain = name.partition(".")
        found = self._by_name.get(name) or self._by_name.get(f"*{dot}{domain}")
        return found or self.context

    def _switch_by_sni(
        self, connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext
    ) -> None:
        """Switch to the certificate for a server name (ssl.SSLContext.sni_callback)."""
        if name is not None and (found := self.find_by_sni(name)) is not self.context:
            connection.context = found


def load_tls(options: TlsOptions, *, is_strict: bool) -> Tls:
    """Read all files and make the contexts.

    Args:
        options: At least one certificate is among them.
        is_strict: Refuse files that others than root could have written.

    Raises:
        ConfigError: One cannot be used.
    """
    keys = options.ssl_keyfile or (None,) * len(options.ssl_certfile)
    certificates = [
        read_certificate(path, key_path, is_strict=is_strict)
        for path, key_path in zip(options.ssl_certfile, keys, strict=True)
    ]
    authorities = b""
    if options.ssl_ca_certs is not None:
        authorities = read_pem("ssl-ca-certs", options.ssl_ca_certs, is_strict=is_strict)
    contexts = [_make_context(options, one, authorities) for one in certificates]
    warnings = [line for one in certificates for line in one.warnings]
    return Tls(certificates, contexts, [*warnings, *_unused(options, certificates)])


def check_tls(options: TlsOptions, binds: Sequence[Bind]) -> None:
    """Refuse options that contradict each other.

    Raises:
        ConfigError: Some do.
    """
    if not options.ssl_certfile:
        _refuse_without_certificate(options, binds)
    certificate_count, key_count = len(options.ssl_certfile), len(options.ssl_keyfile)
    if key_count and key_count != certificate_count:
        problem = f"{key_count} keys for {certificate_count} certificates"
        raise ConfigError("ssl-keyfile", f"{problem}; give each --ssl-certfile its --ssl-keyfile")
    if options.ssl_cert_reqs != "none" and options.ssl_ca_certs is None:
        problem = f"{options.ssl_cert_reqs} needs a CA to verify certificates with"
        raise ConfigError("ssl-cert-reqs", f"{problem}; give --ssl-ca-certs")
    for number, bind in enumerate(binds):
        others = binds[:number]
        if any(other == bind and other.is_tls != bind.is_tls for other in others):
            problem = f"{bind} is given both with and without TLS"
            raise ConfigError("bind", f"{problem}; give it once")


def forget_keys() -> None:
    """Free the keys and passwords that this process has inherited and does not use."""
    for tls in list(_all):
        tls.free()
    _all.clear()
    forget_passwords()


# Private -----------------------------------------------------------------------------------------


def _refuse_without_certificate(options: TlsOptions, binds: Sequence[Bind]) -> None:
    for option in _OPTIONS:
        if getattr(options, option.name) != option.default:
            raise ConfigError(option.key, "needs a certificate; give --ssl-certfile too")
    for bind in binds:
        if bind.is_tls:
            problem = f"{bind} needs a certificate to speak TLS"
            raise ConfigError("bind", f"{problem}; give --ssl-certfile")


def _make_context(
    options: TlsOptions, certificate: Certificate, authorities: bytes
) -> ServerContext:
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[options.ssl_min_version]
    context.options |= ssl.OP_NO_RENEGOTIATION  # a client could request it again and again
    if options.ssl_ciphers is not None:
        try:
            context.set_ciphers(options.ssl_ciphers)
        except ssl.SSLError:
            problem = f"OpenSSL supports no ciphers of {options.ssl_ciphers!r}"
            raise ConfigError("ssl-ciphers", f"{problem}; see `openssl ciphers -v`") from None
    certificate.load(context, options.ssl_keyfile_password)
    if options.ssl_ca_certs is not None:
        load_authorities(context, options.ssl_ca_certs, authorities)
    context.verify_mode = ssl.VerifyMode(CERT_REQS.index(options.ssl_cert_reqs))
    return context


def _unused(options: TlsOptions, certificates: Sequence[Certificate]) -> Sequence[str]:
    """Return a line for each option without effect."""
    lines = []
    if options.ssl_ca_certs is not None and options.ssl_cert_reqs == "none":
        advice = "give --ssl-cert-reqs optional or required"
        lines.append(f"ssl-ca-certs has no effect: no client certificates are requested; {advice}")
    taken: dict[str, str] = {}
    for number, one in enumerate(certificates):
        if number and all(name in taken for name in one.names):
            reason = f"{taken[one.names[0]]} has its names" if one.names else "it has no names"
            lines.append(f"the certificate in {one.path} is never used: {reason}")
        for name in one.names:
            taken.setdefault(name, one.path)
    return lines
