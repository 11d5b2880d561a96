"""How do 200 connections that stay open spread over 4 workers, per accept mode of ngxloop-serve?

max/mean is the fullest worker's share over the mean: 1 is perfect. A wake-up is a worker put to
sleep by the kernel and woken again, whatever for. Latency is from connect() to the first byte
of the greeting; a burst connects all at once, so there it is mostly the time in the queue. "All
after" is the time from the first connect() to the last greeting, "of plain" the same over that of
mode plain in the same round; mode fair has to stay below 1.5 in a burst.
Unit: ratios, microseconds, milliseconds.
Leaves out: what the connections do later.
"""

from benchmarks.harness.prefork_accept import AcceptQuestion
from benchmarks.harness.question import Case

QUESTION = AcceptQuestion(
    [
        Case(name, {"workers": 4, "connections": 200, "gap_us": gap_us})
        for name, gap_us in (("burst-200", 0), ("1ms-apart-200", 1000))
    ]
)
