"""What a generation serves: its configuration and its listening sockets."""

import dataclasses
from collections.abc import Iterable

from ngxloop.serving.config.config import Config
from ngxloop.serving.fleet.settings import Settings
from ngxloop.serving.options.application import HTTP_INTERFACES, start_advice
from ngxloop.serving.sockets.listeners import Listeners, Opened, describe_address


@dataclasses.dataclass(eq=False)
class GenerationService:
    """What the executor knows of one generation."""

    number: int
    config: Config
    listeners: Listeners
    interface: str = ""  # what its workers serve, known once one is ready
    bound: set[str] = dataclasses.field(default_factory=set)  # of --bind, bound by programs

    def plain_numbers(self, number: int) -> list[int]:
        """Return which sockets of the worker of that number do not speak TLS, by their index."""
        opened = self.listeners.opened_for(number)
        return [index for index, one in enumerate(opened) if not self.config.speaks_tls(one.key)]

    def describe(self) -> list[str]:
        """Return each address as clients name it: https:// if it speaks TLS."""
        lines = []
        for one in self.listeners.opened:
            is_tls = self.config.speaks_tls(one.key)
            lines.append(service_address(describe_address(one.sock), self.interface, is_tls=is_tls))
        return list(dict.fromkeys(lines))

    def note_bound(self, address: str) -> bool:
        """A program has bound an address of --bind; False if there is no such address."""
        is_known = address in self.listeners.describe()
        if is_known:
            self.bound.add(address)
        return is_known


class GenerationServices:
    """Those of all generations that somebody may still need, and sockets that are left over."""

    def __init__(self) -> None:
        self._services: dict[int, GenerationService] = {}
        self._left_over: dict[int, list[Opened]] = {}  # by the number of a SpreadReuseport

    def __getitem__(self, number: int) -> GenerationService:
        return self._services[number]

    def find(self, number: int) -> GenerationService | None:
        """Return one, if it is known."""
        return self._services.get(number)

    def add(self, service: GenerationService) -> None:
        """Know another one."""
        self._services[service.number] = service

    def leave_over(self, batch: int, opened: Iterable[Opened]) -> None:
        """Keep sockets that belong to no generation any more."""
        self._left_over[batch] = list(opened)

    def prune(self, needed: set[int], leave_files: bool) -> None:
        """Forget all but those that are needed; close what is left open of the others."""
        kept = needed & self._services.keys()
        for batch in (self._left_over.keys() | self._services.keys()) - needed:
            self.close(batch, kept, leave_files)
            self._services.pop(batch, None)

    def close(self, batch: int, kept: Iterable[int], leave_files: bool) -> None:
        """Close the sockets of a batch that no generation among the kept ones has, too."""
        opened = [
            one
            for number in kept
            if number in self._services
            for one in self._services[number].listeners.opened
        ]
        if batch in self._left_over:
            Listeners(self._left_over.pop(batch)).close(Listeners(opened), leave_files)
        elif batch in self._services:
            self._services[batch].listeners.close(Listeners(opened), leave_files)

    def close_all(self, leave_files: bool) -> None:
        """Close everything that is open."""
        for batch in (*self._left_over, *self._services):
            self.close(batch, (), leave_files)

    def close_in_worker(self, mine: GenerationService | None, number: int = 0) -> None:
        """Close what does not belong to a worker.

        A listening socket that is still open in one would go on taking connections for ever after
        all who accept on it have closed it.
        """
        keep = mine.listeners if mine is not None else Listeners()
        for opened in self._left_over.values():
            Listeners(opened).close(keep, leave_files=True)
        for service in self._services.values():
            if service is not mine:
                service.listeners.close(keep, leave_files=True)
        if mine is not None:
            mine.listeners.keep_own(number)


def service_address(address: str, interface: str, *, is_tls: bool) -> str:
    """Return an address with its scheme, as far as a browser can open it; and with TLS, always."""
    is_http = interface in HTTP_INTERFACES and not address.startswith("unix:")
    if is_tls:
        return f"https://{address}" if is_http else f"tls://{address}"
    return f"http://{address}" if is_http else address


def settings_of(config: Config) -> Settings:
    """Return what the machine knows of a configuration."""
    return Settings(
        app=config.app,
        start_advice=start_advice(config.app, config.interface, config.ready_on),
        start_timeout=config.start_timeout,
        graceful_timeout=config.graceful_timeout,
        drain_delay=config.drain_delay,
        hang_timeout=config.hang_timeout,
        max_lifetime=config.max_lifetime,
        is_preloaded=config.preload,
        has_own_sockets=config.accept == "reuseport",
        has_nginx_signals=config.signals == "nginx",
        is_auto_upgrade=config.auto_upgrade,
        is_watched=config.reload,
    )
