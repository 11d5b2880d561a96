"""ngxloop with busy polling, as a contender of its own beside the loops."""

from collections.abc import Sequence

import ngxloop
from benchmarks.harness.contenders import Contender
from benchmarks.harness.echo import EchoQuestion

BUSY_POLL_SECONDS = 100e-6  # longer than a client on the other core takes for its next request
LOOKING = Contender("looking", "benchmarks.harness.busy_polling:new_event_loop", role="subject")


class BusyPollQuestion(EchoQuestion):
    """An echo server whose loop looks for events before it sleeps, against all that sleep."""

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        if "ngxloop" not in {loop.name for loop in loops}:
            return ()
        sleeping = [Contender(loop.name, loop.factory) for loop in loops]
        return (*super().contenders(sleeping), LOOKING)


def new_event_loop() -> ngxloop.EventLoop:
    """Return an ngxloop that looks for events for a while before it sleeps."""
    loop = ngxloop.new_event_loop()
    loop.set_busy_poll(BUSY_POLL_SECONDS)
    return loop
