"""How many short connections per second do 8 workers serve, with none lost, per accept mode?

32 clients connect, send 64 bytes, receive them back and close, over and over. The scoreboard must
have counted exactly as many connections as the client has opened. CPU time is that of master and
workers together.
Unit: connections per second; microseconds of CPU per connection.
Leaves out: HTTP, keep-alive.
"""

from benchmarks.harness.prefork_accept import ChurnQuestion
from benchmarks.harness.question import Case

QUESTION = ChurnQuestion([Case("workers-8", {"workers": 8, "clients": 32})])
