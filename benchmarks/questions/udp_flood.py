"""How many datagrams of a flood does a UDP endpoint receive?

Unit: datagrams per second that reach the protocol; CPU microseconds for each; how much of its time
the endpoint was busy, and which share of what was sent the kernel had to drop. Cases: their size.
Leaves out: sending, and what a protocol does with a datagram.
"""

from benchmarks.harness.flood import FloodQuestion
from benchmarks.harness.question import Case

CASES = [Case("64B", {"size": 64}), Case("1400B", {"size": 1400})]

QUESTION = FloodQuestion(CASES)
