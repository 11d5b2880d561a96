"""How does the cost of a request grow with the number of connections?

Unit: server CPU microseconds per request of 64 bytes, with a Protocol, one request at a time on
each of 10 to 9,000 connections; also requests per second.
Leaves out: connections that are idle (see idle_memory and idle_cpu).
"""

from benchmarks.harness.echo import EchoQuestion, echo_case
from benchmarks.harness.echo_protocol import start_protocol_server

COUNTS = (10, 100, 1000, 5000, 9000)

QUESTION = EchoQuestion(start_protocol_server, [echo_case(64, count) for count in COUNTS])
