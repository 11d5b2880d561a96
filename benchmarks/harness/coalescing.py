"""ngxloop with write coalescing."""

import ngxloop
from benchmarks.harness.contenders import Contender

JOINING = Contender("joining", "benchmarks.harness.coalescing:new_event_loop", role="subject")


def new_event_loop() -> ngxloop.EventLoop:
    """Return an ngxloop that joins the writes of a turn."""
    loop = ngxloop.new_event_loop()
    loop.set_write_coalescing(True)
    return loop
