"""How long until new workers serve: after HUP for all 4, after kill -9 for one of 4?

A client asks on new connections all the time, 8 at once. "Started" is when all that are due have
run the application's start-up, "answers" when the first of them has answered a request, "old gone"
when the last of those replaced has ended; "failed" are requests without an answer. A worker is
killed when it has lived for 6 s, with --seconds 1: what dies young may be held back on purpose.
Unit: milliseconds since the signal.
Leaves out: an application that takes long to import; connections that stay open.
"""

from benchmarks.harness.prefork_life import LifeQuestion
from benchmarks.harness.question import Case

QUESTION = LifeQuestion(
    [
        Case("reload-4", {"workers": 4, "signal": "HUP"}),
        Case("killed-1-of-4", {"workers": 4, "signal": "KILL"}),
    ]
)
