"""What the log says of a generation that serves: what is served and where, and where nothing is."""

from ngxloop.serving.fleet.service import GenerationService, service_address
from ngxloop.serving.logs.logs import log
from ngxloop.serving.options.application import PROGRAM_INTERFACES
from ngxloop.serving.sockets.keepers import Keepers


def log_service(service: GenerationService, count: int, keepers: Keepers) -> None:
    """Say what is served, and where: what to open in a browser, if a browser can open it."""
    interface, is_tls = service.interface, bool(service.config.ssl_certfile)
    where = service.describe()
    where += [service_address(one, interface, is_tls=is_tls) for one in keepers.describe()]
    workers = "1 worker" if count == 1 else f"{count} workers"
    app = service.config.app
    log.info("serving %s (%s) with %s: %s", app, interface, workers, " ".join(where))


def warn_of_unserved(service: GenerationService) -> None:
    """Name the addresses of --bind that a program has not bound: who connects, waits for ever."""
    if service.interface not in PROGRAM_INTERFACES:
        return
    for address in service.listeners.describe():
        if address not in service.bound:
            log.warning(
                "no worker accepts at %s, given with --bind or by systemd: %s binds other "
                "addresses; remove it, or let the program bind it",
                address,
                service.config.app,
            )
