"""The names of the master's handlers, which log lines and the status show.

Each failure is counted under the name of its handler; REMEDIES says what follows it. A failure of a
handler that belongs to a connection or a worker ends that. Any other handler is paused, and called
again after a delay that doubles.
"""

import enum
from collections.abc import Mapping


class HandlerName(enum.StrEnum):
    """What was called when something failed."""

    # Descriptors
    SIGNALS = "signals"
    WORKER_CHANNEL = "worker channel"
    ZYGOTE_CHANNEL = "zygote channel"
    KEEPER_CHANNEL = "keeper channel"
    KEEPER_ORDERS = "orders of the keeper"
    KEEPER_LINE = "line to the keeper"
    STATUS_LISTENER = "status listener"
    STATUS_CONNECTION = "status connection"
    STATUS_LINE = "status line"
    STATUS_ORDERS = "status orders"
    CONTROL_LISTENER = "control listener"
    CONTROL_CONNECTION = "control connection"
    NEW_MASTER = "new master"
    OLD_MASTER = "old master"
    # Alarms
    STATUS_PROCESS = "status process"
    STATUS_REPORT = "status report"
    ACCEPT_PAUSE = "accept pause"
    ACCEPT_WATCH = "accept watch"
    CONNECTION_TIMEOUT = "connection time-out"
    ZYGOTE_TIMEOUT = "zygote time-out"
    KEEPER_REPORT = "keeper report"
    KEEPER_RESTART = "keeper restart"
    HEALTH_CHECK = "health check"
    UNSERVED_CHECK = "unserved check"
    WATCHDOG = "watchdog"
    # Steps of the turn
    TURN = "turn"
    POLL = "poll"
    ORDER = "order"
    DECISION = "decision"
    DEADLINE = "deadline"
    REAPING = "reaping"
    SPAWNING = "spawning"
    RELOAD = "reload"
    LOGGING = "logging"
    SERVING_STEP = "serving step"
    WORKER_STEP = "worker step"
    LOST_MESSAGE = "lost message"
    AUDIT = "audit"


_PAUSED = "it is paused and called again"
_CLOSED = "the connection is closed"
_REPLACED = "the worker is replaced"
_LEFT_OUT = "it is skipped"

REMEDIES: Mapping[HandlerName, str] = {
    HandlerName.SIGNALS: _PAUSED,
    HandlerName.WORKER_CHANNEL: _REPLACED,
    HandlerName.ZYGOTE_CHANNEL: "workers load the application themselves",
    HandlerName.KEEPER_CHANNEL: "the keeper is replaced",
    HandlerName.KEEPER_ORDERS: "the keeper is replaced",
    HandlerName.KEEPER_LINE: "the line is closed",
    HandlerName.STATUS_LISTENER: _PAUSED,
    HandlerName.STATUS_CONNECTION: _CLOSED,
    HandlerName.STATUS_LINE: "the status process is replaced",
    HandlerName.STATUS_ORDERS: _PAUSED,
    HandlerName.STATUS_PROCESS: "it is tried again",
    HandlerName.STATUS_REPORT: _PAUSED,
    HandlerName.CONTROL_LISTENER: _PAUSED,
    HandlerName.CONTROL_CONNECTION: _CLOSED,
    HandlerName.NEW_MASTER: "the new master is ended",
    HandlerName.OLD_MASTER: _PAUSED,
    HandlerName.ACCEPT_PAUSE: _PAUSED,
    HandlerName.ACCEPT_WATCH: _PAUSED,
    HandlerName.CONNECTION_TIMEOUT: _CLOSED,
    HandlerName.ZYGOTE_TIMEOUT: _PAUSED,
    HandlerName.KEEPER_REPORT: _PAUSED,
    HandlerName.KEEPER_RESTART: _PAUSED,
    HandlerName.HEALTH_CHECK: _PAUSED,
    HandlerName.UNSERVED_CHECK: _LEFT_OUT,
    HandlerName.WATCHDOG: _PAUSED,
    HandlerName.TURN: "the next turn begins after a pause",
    HandlerName.POLL: "a new epoll instance is created",
    HandlerName.ORDER: "the order is dropped; an order to end stops the workers at once",
    HandlerName.DECISION: "nothing has changed; the event is handled again after a pause",
    HandlerName.DEADLINE: "it is tried again",
    HandlerName.REAPING: "the worker is respawned",
    HandlerName.SPAWNING: "it is tried again",
    HandlerName.RELOAD: "the generation before goes on serving",
    HandlerName.LOGGING: _LEFT_OUT,
    HandlerName.SERVING_STEP: _LEFT_OUT,
    HandlerName.WORKER_STEP: _LEFT_OUT,
    HandlerName.LOST_MESSAGE: "the message is dropped, and its sender gets an error",
    HandlerName.AUDIT: "it is done again",
}
