"""The callbacks of the generations, and the record of how reloads went."""

import dataclasses
from typing import Protocol

from ngxloop.serving.config import Config
from ngxloop.serving.errors import StartError
from ngxloop.serving.listeners import Listeners
from ngxloop.serving.places import Generation


class Owner(Protocol):
    """Receives what happens to generations."""

    def prepare_reload(self, current: Listeners) -> tuple[Config, int, Listeners]:
        """Return what the next generation serves, by how many workers, and where.

        Raises:
            StartError: It cannot be served; nothing has changed.
        """

    def generation_serves(self, generation: Generation) -> None:
        """All of it is ready."""

    def reload_began(self) -> None:
        """The next one starts."""

    def reload_failed(self) -> None:
        """The one before goes on."""

    def start_failed(self, error: StartError) -> None:
        """There is none before it."""

    def forget_in_worker(self) -> None:
        """Close, in a fresh worker, descriptors that only the master needs."""

    @property
    def is_sharing(self) -> bool:
        """Another master uses our sockets too: their files stay."""


@dataclasses.dataclass
class Reloads:
    """How reloads went."""

    ok: int = 0
    failed: int = 0
    error: str = ""  # of the last one that failed
