"""What the machine knows of a configuration."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """The options on which decisions depend; a time of 0 turns what it is for off."""

    app: str = "app"
    start_advice: str = "see where it waits, or raise --start-timeout"
    start_timeout: float = 60.0
    graceful_timeout: float = 30.0
    drain_delay: float = 0.0
    hang_timeout: float = 0.0
    max_lifetime: float = 0.0
    is_preloaded: bool = False
    has_own_sockets: bool = False  # --accept reuseport: each worker has sockets of its own
    has_nginx_signals: bool = False
    is_auto_upgrade: bool = False
    is_watched: bool = False  # --reload: who cannot start waits for the next change
