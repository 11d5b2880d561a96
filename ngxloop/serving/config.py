"""Everything that can be configured, checked when it is made, and the constants of the launcher."""

import dataclasses
import logging
from collections.abc import Callable, Sequence

from ngxloop.serving.binds import Bind, parse_bind
from ngxloop.serving.cpus import usable_cpus
from ngxloop.serving.errors import ConfigError

DEFAULT_BIND = "127.0.0.1:8000"
# What gunicorn and uvicorn ask for; the kernel clips it to net.core.somaxconn.
DEFAULT_BACKLOG = 2048
# nginx: ngx_open_listening_sockets tries five times, 500 ms apart.
BIND_ATTEMPTS = 5
BIND_RETRY_SECONDS = 0.5
# After the graceful time-out a worker cancels its tasks; it has this long for their clean-up.
CANCEL_SECONDS = 2.0
# The master kills a draining worker this long after the graceful time-out. Above CANCEL_SECONDS.
KILL_SECONDS = 5.0
# A worker that was told to stop at once is killed after this long. nginx: the sum of its delays
# 50, 100, 200, 400, 800 ms in ngx_master_process_cycle.
STOP_SECONDS = 1.55
# A worker that dies within this time of becoming ready has died young: the next one waits.
YOUNG_SECONDS = 5.0
# Delay before the second process in a row that died young, then doubled each time, up to the limit.
BACKOFF_SECONDS = 0.1
BACKOFF_LIMIT_SECONDS = 30.0
# How often a draining worker looks whether its connections are gone.
DRAIN_POLL_SECONDS = 0.02
# The longest time-out that can be configured, 115 days. alarm(2) takes it, with KILL_SECONDS added.
MAX_SECONDS = 10_000_000
# The master's longest single wait, a day. epoll_wait(2) takes at most 2^31 ms, 24 days.
MAX_WAIT_SECONDS = 86_400.0

ACCEPT_MODES = ("fair", "mutex", "exclusive", "plain")
INTERFACES = ("auto", "asgi", "aiohttp", "protocol", "streams")
HTTP_INTERFACES = ("asgi", "aiohttp")
LOG_LEVELS = ("debug", "info", "warning", "error")
AUTO = "auto"
_MODE_BITS = 0o777  # read, write, execute for user, group and others
_MAX_WORKERS = 1024  # nginx: NGX_MAX_PROCESSES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What to serve and how. Every field has the name of its option, - written as _.

    Raises:
        ConfigError: (a ValueError) a value cannot be used.
    """

    app: str
    bind: Sequence[str] = (DEFAULT_BIND,)
    workers: int | str = 1
    accept: str = "fair"
    backlog: int = DEFAULT_BACKLOG
    socket_mode: int = 0o666
    interface: str = AUTO
    factory: bool = False
    app_dir: str = "."
    graceful_timeout: float = 30.0
    idle_grace: float = 1.0
    start_timeout: float = 60.0
    log_level: str = "info"
    access_log: bool = False

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            check(name.replace("_", "-"), getattr(self, name))

    @property
    def binds(self) -> list[Bind]:
        """Return the parsed addresses, each once."""
        return list(dict.fromkeys(parse_bind(text) for text in self.bind))

    @property
    def log_threshold(self) -> int:
        """Return the level for the logging module."""
        return logging.getLevelNamesMapping()[self.log_level.upper()]

    def count_workers(self) -> tuple[int, str]:
        """Return how many workers to run, and why that many if the number was not given."""
        return usable_cpus() if isinstance(self.workers, str) else (self.workers, "")


def _check_app(option: str, value: object) -> None:
    module, _, attribute = value.partition(":") if isinstance(value, str) else ("", "", "")
    names = module.split(".") + attribute.split(".")
    if not all(name.isidentifier() for name in names):
        raise ConfigError(option, f"{value!r} does not name an application; give MODULE:NAME")


def _check_bind(option: str, value: object) -> None:
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ConfigError(option, f"{value!r} is not a list of addresses")
    for text in value:
        try:
            parse_bind(text)
        except ValueError as error:
            raise ConfigError(option, str(error)) from None


def _check_workers(option: str, value: object) -> None:
    if value != AUTO and not (type(value) is int and 1 <= value <= _MAX_WORKERS):
        raise ConfigError(
            option, f"{value!r} is not a number of workers; give 1 to {_MAX_WORKERS}, or auto"
        )


def _check_backlog(option: str, value: object) -> None:
    if type(value) is not int or value < 1:
        raise ConfigError(option, f"{value!r} is not a queue length; give 1 or more")


def _check_mode(option: str, value: object) -> None:
    if type(value) is not int or not 0 <= value <= _MODE_BITS:
        raise ConfigError(option, f"{value!r} is not a file mode; give octal digits, 660 say")


def _check_seconds(option: str, value: object) -> None:
    if not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
        advice = f"give 0 to {MAX_SECONDS}"
        raise ConfigError(option, f"{value!r} is not a number of seconds; {advice}")


def _check_some_seconds(option: str, value: object) -> None:
    _check_seconds(option, value)
    if value == 0:
        raise ConfigError(option, "0 seconds leave no time to start; give more than 0")


def _check_directory(option: str, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ConfigError(option, f"{value!r} is not a folder")


def _one_of(choices: Sequence[str]) -> Callable[[str, object], None]:
    def check(option: str, value: object) -> None:
        if value not in choices:
            raise ConfigError(option, f"{value!r} is not one of {', '.join(choices)}")

    return check


_CHECKS: dict[str, Callable[[str, object], None]] = {
    "app": _check_app,
    "bind": _check_bind,
    "workers": _check_workers,
    "accept": _one_of(ACCEPT_MODES),
    "backlog": _check_backlog,
    "socket_mode": _check_mode,
    "interface": _one_of(INTERFACES),
    "app_dir": _check_directory,
    "graceful_timeout": _check_seconds,
    "idle_grace": _check_seconds,
    "start_timeout": _check_some_seconds,
    "log_level": _one_of(LOG_LEVELS),
}
