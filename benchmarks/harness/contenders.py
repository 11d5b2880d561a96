"""Who is compared: the registry of event loops, and how one is imported."""

import asyncio
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

# subject: ours. peer: what it is compared with. limit: no event loop, but what the machine allows.
Role = Literal["subject", "peer", "limit"]
LoopFactory = Callable[[], asyncio.AbstractEventLoop]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Contender:
    """One row of a table; `factory` is the "module:attribute" that makes the loop."""

    name: str
    factory: str = ""
    role: Role = "peer"


LOOPS = (
    Contender("asyncio", "asyncio:SelectorEventLoop"),
    Contender("uvloop", "uvloop:new_event_loop"),
    Contender("rloop", "rloop:new_event_loop"),
    Contender("zloop", "zloop:new_event_loop"),
    Contender("blazio", "blazio:new_event_loop"),
    Contender("veloxloop", "veloxloop:new_event_loop"),
    Contender("zuvloop", "zuvloop:new_event_loop"),
    Contender("rsloop", "rsloop:new_event_loop"),
    Contender("talyn", "talyn:Loop"),
    Contender("loopmini", "loopmini:new_event_loop"),
    Contender("ngxloop", "ngxloop:new_event_loop", role="subject"),
)


def import_factory(factory: str) -> LoopFactory:
    """Import what makes a loop; whatever the import raises, rises."""
    _prefer_what_is_built()
    module, _, attribute = factory.partition(":")
    return cast(LoopFactory, getattr(importlib.import_module(module), attribute))


def is_installed(contender: Contender) -> bool:
    """Tell whether a peer's package is installed for this Python; some need a newer one."""
    module = contender.factory.partition(":")[0]
    return contender.role != "peer" or importlib.util.find_spec(module) is not None


def version_of(factory: str) -> str:
    """Return the installed version behind a factory; asyncio's is that of Python."""
    module = factory.partition(":")[0]
    if module == "asyncio":
        return sys.version.split()[0]
    own = getattr(importlib.import_module(module), "__version__", None)
    return str(own) if own else importlib.metadata.version(module)


def _prefer_what_is_built() -> None:
    """Let an installed ngxloop win over the sources of a checkout that was not built in place."""
    if not any((ROOT / "ngxloop").rglob("*.so")):
        outside = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
        sys.path[:] = [*outside, str(ROOT)]
