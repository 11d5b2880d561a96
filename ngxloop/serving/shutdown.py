"""The end of serving: the workers drain, after a delay if one was asked for, or stop at once."""

import time

from ngxloop.serving.config import REPEAT_SECONDS, Config
from ngxloop.serving.generations import Generations
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.logs import log
from ngxloop.serving.options.values import MAX_SECONDS
from ngxloop.serving.poller import Alarm, Handler, Poller
from ngxloop.serving.reception import Reception
from ngxloop.serving.status import Status


class Shutdown:
    """Whether and how a master ends."""

    def __init__(
        self, generations: Generations, poller: Poller, status: Status, reception: Reception
    ) -> None:
        self._generations = generations
        self._poller = poller
        self._status = status
        self._reception = reception
        self._since: float | None = None  # monotonic
        self._delay: Alarm | None = None

    @property
    def is_begun(self) -> bool:
        """Say whether the master ends, so that nothing is to be begun any more."""
        return self._since is not None

    @property
    def is_delayed(self) -> bool:
        """Say whether the workers still accept."""
        return self._delay is not None

    def ask(self, config: Config) -> None:
        """Drain everything and end; at once if that was asked for before."""
        if self._since is None:
            self._begin()
            self._wait_and_drain(config)
        elif time.monotonic() - self._since > REPEAT_SECONDS and config.signals != "nginx":
            self.stop()

    def stop(self) -> None:
        """End at once."""
        if self.is_begun:
            log.warning("told again to end: stopping at once")
        else:
            self._begin()
            log.info("stopping at once")
        self._cancel_delay()
        self._generations.end()
        self._generations.stop()

    def take_note(self) -> None:
        """There is nothing to end: no worker could be started."""
        self._since = time.monotonic()

    def _begin(self) -> None:
        self._since = time.monotonic()
        self._status.is_ending = True
        self._poller.call(Handler(HandlerName.SERVING_STEP, self._reception.tell_ending))

    def _wait_and_drain(self, config: Config) -> None:
        delay = config.drain_delay
        if delay and self._generations.serving is not None:
            log.info("ending: workers go on accepting for %g s", delay)
            handler = Handler(HandlerName.DRAIN_DELAY, lambda: self._drain(config))
            self._delay = self._poller.call_later(delay, handler)
        else:
            self._drain(config)

    def _drain(self, config: Config) -> None:
        self._delay = None
        seconds = config.graceful_timeout
        if config.signals == "nginx":
            seconds = MAX_SECONDS
            log.info("ending: workers drain for as long as it takes; TERM stops at once")
        else:
            log.info("ending: workers drain for at most %g s; signal again to stop", seconds)
        self._generations.end(seconds)

    def _cancel_delay(self) -> None:
        if self._delay is not None:
            self._delay.cancel()
            self._delay = None
