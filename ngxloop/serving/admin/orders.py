"""What each signal orders, as tables: ours, and nginx's.

In ours TERM is graceful, as service managers and containers expect; a second one does not wait any
longer. In nginx's TERM and INT end at once, and QUIT waits for as long as it takes.
"""

import enum
import signal


class Order(enum.StrEnum):
    """What the master can be told."""

    QUIT = "quit"  # drain, then end; told again: end now
    STOP = "stop"  # end now
    RELOAD = "reload"  # a new generation of workers, with the configuration as it is now
    REOPEN = "reopen"  # open the log files again
    UPGRADE = "upgrade"  # start a new master on the same sockets
    STOP_WORKERS = "stop workers"  # drain the workers; the sockets stay open
    ADD_WORKER = "add worker"  # one worker more
    REMOVE_WORKER = "remove worker"  # one less


_COMMON = {
    signal.SIGQUIT: Order.QUIT,
    signal.SIGHUP: Order.RELOAD,
    signal.SIGUSR1: Order.REOPEN,
    signal.SIGUSR2: Order.UPGRADE,
    signal.SIGWINCH: Order.STOP_WORKERS,
    signal.SIGTTIN: Order.ADD_WORKER,
    signal.SIGTTOU: Order.REMOVE_WORKER,
}
SIGNAL_ORDERS: dict[str, dict[signal.Signals, Order]] = {
    "default": {**_COMMON, signal.SIGTERM: Order.QUIT, signal.SIGINT: Order.QUIT},
    "nginx": {**_COMMON, signal.SIGTERM: Order.STOP, signal.SIGINT: Order.STOP},
}
ENDING_ORDERS = frozenset({Order.QUIT, Order.STOP})
