"""ngxloop with busy polling."""

import ngxloop
from benchmarks.harness.contenders import Contender

BUSY_POLL_SECONDS = 100e-6  # longer than a client on the other core takes for its next request
LOOKING = Contender("looking", "benchmarks.harness.busy_polling:new_event_loop", role="subject")


def new_event_loop() -> ngxloop.EventLoop:
    """Return an ngxloop that looks for events for a while before it sleeps."""
    loop = ngxloop.new_event_loop()
    loop.set_busy_poll(BUSY_POLL_SECONDS)
    return loop
