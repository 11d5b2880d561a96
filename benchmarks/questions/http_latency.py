"""How long does a request take at half of the load that the slowest server bears?

The load is open: each second as many requests are due as half of what the slowest of the servers
answers in a closed loop in the same round, the same for all of them. Latency counts from when a
request was due, so that a pause of a server shows in every request that came meanwhile. 64
connections, 13 bytes.
Unit: microseconds from when a request was due to the end of its answer.
Leaves out: what happens above the load that a server bears.
"""

from benchmarks.harness.http_engine import LatencyQuestion
from benchmarks.harness.question import Case

QUESTION = LatencyQuestion([Case("half", {"kind": "get"})])
