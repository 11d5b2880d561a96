"""How fast does a server accept, echo 64 bytes once, and see the connection closed?

Unit: connections per second with 32 under way; server CPU microseconds per connection. The client
closes: in order with a FIN, or with a RST, as some load generators do.
Leaves out: connections closed by the server, and TLS.
"""

from benchmarks.harness.echo import EchoQuestion, echo_case
from benchmarks.harness.echo_protocol import start_protocol_server

QUESTION = EchoQuestion(
    start_protocol_server, [echo_case(64, 32, "orderly"), echo_case(64, 32, "reset")]
)
