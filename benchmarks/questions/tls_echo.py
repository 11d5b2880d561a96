"""How fast does a TLS server echo that is written with an asyncio.Protocol?

Unit: requests per second, one request at a time on each connection; server CPU microseconds
per request. TLS 1.3, AES-128-GCM. Cases: message size and connections.
Leaves out: handshakes, requests in a pipeline, slow readers, kernel TLS.
"""

from benchmarks.harness.echo import echo_grid
from benchmarks.harness.tls import TlsQuestion

QUESTION = TlsQuestion(echo_grid())
