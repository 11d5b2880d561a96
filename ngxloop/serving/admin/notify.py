"""Tell systemd how things are: sd_notify(3), for services of Type=notify and notify-reload.

A datagram with lines NAME=value to the socket that $NOTIFY_SOCKET names. Without the variable
nothing is sent. After an upgrade the new master names itself as the main process (MAINPID); the
service needs NotifyAccess=all for that.
"""

import functools
import os
import re
import socket
import time
from collections.abc import Mapping

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.poller import Handler, Poller

SOCKET_VARIABLE = "NOTIFY_SOCKET"
_WATCHDOG_VARIABLE = "WATCHDOG_USEC"
_WATCHDOG_PID_VARIABLE = "WATCHDOG_PID"


class Notifier:
    """The line to the service manager; silent if there is none."""

    def __init__(self, environment: Mapping[str, str], has_old_master: bool = False) -> None:
        """Look who manages us.

        Args:
            environment: Where that is told.
            has_old_master: We follow a master whom the variables were meant for.
        """
        self._address = _address(environment.get(SOCKET_VARIABLE, ""))
        self._period = 0.0
        pid = environment.get(_WATCHDOG_PID_VARIABLE, "")
        if has_old_master or pid in ("", str(os.getpid())):
            microseconds = environment.get(_WATCHDOG_VARIABLE, "")
            is_number = re.fullmatch("[0-9]{1,18}", microseconds)
            self._period = int(microseconds) / 2e6 if is_number else 0.0

    def start_watchdog(self, poller: Poller) -> None:
        """Say twice in each period that the master turns, if the service manager wants to know."""
        if self._period and self._address is not None:
            self._send("WATCHDOG=1")
            feed = functools.partial(self.start_watchdog, poller)
            poller.call_later(self._period, Handler(HandlerName.WATCHDOG, feed))

    def ready(self, status: str) -> None:
        """We serve: after the start, and after a reload."""
        self._send("READY=1", f"MAINPID={os.getpid()}", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload has begun; ready() ends it, whether it succeeded or not."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={microseconds}", "STATUS=reloading")

    def stopping(self) -> None:
        """We end."""
        self._send("STOPPING=1", "STATUS=ending")

    def status(self, status: str) -> None:
        """Say something about us, and that we are the main process."""
        self._send(f"MAINPID={os.getpid()}", f"STATUS={status}")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
                sock.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:  # the manager restarts, or its queue is full
            log.debug("cannot notify %s: %s", self._address, error)


def _address(name: str) -> str | None:
    if not name.startswith(("/", "@")):
        return None
    return "\0" + name[1:] if name.startswith("@") else name
