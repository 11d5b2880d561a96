"""How fast does a TCP server echo that is written with a Protocol?

Unit: requests per second, one request at a time on each connection; server CPU microseconds
per request. Cases: message size and connections.
Leaves out: parsing, requests in a pipeline, and slow readers.
"""

from benchmarks.harness.echo import EchoQuestion, echo_grid
from benchmarks.harness.echo_protocol import start_protocol_server

QUESTION = EchoQuestion(start_protocol_server, echo_grid())
