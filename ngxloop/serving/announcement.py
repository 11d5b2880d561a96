"""What the log says of a generation that serves: what is served and where, and where nothing is."""

from ngxloop.serving.keepers import Keepers
from ngxloop.serving.logs import log
from ngxloop.serving.options.application import HTTP_INTERFACES, PROGRAM_INTERFACES
from ngxloop.serving.places import Generation


def announce(generation: Generation, keepers: Keepers) -> None:
    """Say what is served, and where: what to open in a browser, if a browser can open it."""
    is_http = generation.interface in HTTP_INTERFACES
    where = [
        address if address.startswith("unix:") or not is_http else f"http://{address}"
        for address in generation.listeners.describe() + keepers.describe()
    ]
    count = len(generation.places)
    workers = "1 worker" if count == 1 else f"{count} workers"
    app, interface = generation.config.app, generation.interface
    log.info("serving %s (%s) with %s: %s", app, interface, workers, " ".join(where))


def warn_of_unserved(generation: Generation) -> None:
    """Name the addresses of --bind that a program has not bound: who connects, waits for ever."""
    if generation.interface not in PROGRAM_INTERFACES:
        return
    for address in generation.listeners.describe():
        if address not in generation.lent:
            log.warning(
                "nobody accepts at %s, given with --bind: %s binds other addresses; "
                "leave it out, or let the program bind it",
                address,
                generation.config.app,
            )
