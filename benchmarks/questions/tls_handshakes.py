"""How fast does a TLS server accept, shake hands, echo 64 bytes, and see the connection reset?

Unit: connections per second with 8 under way; server CPU microseconds per connection. TLS 1.3,
X25519, an ECDSA certificate, no session is resumed: most of it is OpenSSL's.
Leaves out: client certificates, and connections closed by the server.
"""

from benchmarks.harness.echo import echo_case
from benchmarks.harness.tls import TlsQuestion

QUESTION = TlsQuestion([echo_case(64, 8, "handshake")])
