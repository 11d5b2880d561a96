"""How fast does a UDP endpoint send datagrams back?

Unit: requests per second, one datagram under way for each client; server CPU microseconds per
request. Cases: datagram size and clients, each with a socket, and so an address, of its own.
Leaves out: lost datagrams, and the answer of a server that must look something up.
"""

from benchmarks.harness.echo import EchoQuestion, echo_case
from benchmarks.harness.echo_datagrams import start_datagram_server

CASES = [echo_case(size, count, "datagram") for size in (64, 1024) for count in (1, 32)]

QUESTION = EchoQuestion(start_datagram_server, CASES, limit=("datagram_server",))
