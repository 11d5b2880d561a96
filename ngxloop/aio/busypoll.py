"""set_busy_poll(): a core for a shorter latency."""

from typing import Any


class BusyPolling:
    """The loop's choice between sleeping and looking."""

    def set_busy_poll(self: Any, seconds: float) -> None:
        """Look for events for so long, without sleeping, whenever there is nothing to do.

        An event that comes meanwhile is handled at once: neither has the kernel to wake a sleeping
        core, nor has the loop to wait for that. 0, the default, sleeps at once.

        Args:
            seconds: 50e-6 suits clients that answer at once; math.inf never sleeps.

        Raises:
            TypeError: seconds is not a number.
            ValueError: seconds is negative or nan.

        Notes:
            What it costs: a loop with little to do takes so much more of its core. The GIL is free
            meanwhile, but other threads need a core of their own. Source of the idea: SO_BUSY_POLL,
            socket(7), which does the same for the queues of a network card.
        """
        if not seconds >= 0:
            raise ValueError(f"seconds must not be negative, got {seconds!r}")
        self._set_busy_poll(seconds)
