"""What the next generation serves: the configuration as it is now, with sockets for it."""

from collections.abc import Callable

from ngxloop.serving.base.errors import ConfigError, ExitCode, StartError, shortages_explained
from ngxloop.serving.config.config import Config
from ngxloop.serving.logs.logs import log
from ngxloop.serving.sockets.inherited import WorkerCount
from ngxloop.serving.sockets.listeners import Listeners, describe_address
from ngxloop.serving.sockets.opening import check_descriptors, open_listeners
from ngxloop.serving.sockets.queues import queue_limit
from ngxloop.serving.sockets.reuseport import spread_listeners


class Reconfiguration:
    """Prepares reloads.

    Args:
        read_again: Returns the configuration of now; without it, only certificates change.
        most_workers: How many there is room for.
    """

    def __init__(self, read_again: Callable[[], Config] | None, most_workers: int) -> None:
        self._read_again = read_again
        self._most_workers = most_workers

    @shortages_explained()
    def prepare(
        self, config: Config, count: int, current: Listeners
    ) -> tuple[Config, int, Listeners]:
        """Return the next configuration, number of workers and sockets, given the present ones.

        Raises:
            StartError: They cannot be had; nothing has changed.
        """
        fresh = self._read(config)
        for line in fresh.tls.warnings if fresh.tls is not None else ():
            log.warning("%s", line)
        count = self._next_count(config, fresh, count)
        check_descriptors(fresh.binds, current)
        backlog = queue_limit(fresh.backlog)
        listeners = open_listeners(fresh.binds, backlog, fresh.socket_mode, known=current)
        try:
            spread_listeners(listeners, fresh.count_copies(count), backlog)
            fresh.hook_functions.require("on_bind", listeners.describe())
        except BaseException:
            listeners.close(keep=current)
            raise
        for sock in listeners.sockets:
            if sock not in current.sockets:
                log.info("listening on %s, backlog %d", describe_address(sock), backlog)
        return fresh, count, listeners

    def _read(self, config: Config) -> Config:
        try:
            if self._read_again is None:
                return config.with_new_certificates()
            return self._read_again()
        except ConfigError as error:
            raise StartError(ExitCode.USAGE, str(error)) from error

    def _next_count(self, config: Config, fresh: Config, count: int) -> int:
        """Return how many workers the next generation has; what scale() said holds.

        Only another number in the configuration replaces it.
        """
        if fresh.workers == config.workers:
            return count
        count = count_workers(fresh)
        if count > self._most_workers:
            line = (
                f"workers: a reload cannot raise their number to {count}; restart, or give at most"
            )
            raise StartError(ExitCode.USAGE, f"{line} {self._most_workers}")
        return count


def first_count(config: Config, old: WorkerCount | None) -> int:
    """Return how many workers a master begins with: as many as the one before it, as at a reload.

    Only another number in the configuration replaces that.
    """
    return old.count if old and old.configured == config.workers else count_workers(config)


def count_workers(config: Config) -> int:
    """Return how many workers are wanted, and log why if the number was not given."""
    count, reason = config.count_workers()
    if reason:
        log.info("workers auto: %d (%s)", count, reason)
    return count
