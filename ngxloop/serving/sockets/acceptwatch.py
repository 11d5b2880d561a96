"""AcceptWatch: sees connections that no worker takes, and has the workers urged to take them.

The kernel may wake a worker for a connection that then does not accept: it is stopped, or another
of its threads keeps the interpreter's lock. In mode mutex no other one watches while a stopped
worker has the mutex. The other workers sleep, and do not know.

The master has one for the sockets of --bind, the keeper one for those of programs.

How it works. An epoll instance of the watch's own watches the shared listening sockets, and the
poller of its process watches that instance: so a connection wakes the process. It then takes the
instance out of its poller, and checks again LOOK_SECONDS later. If the queues are empty, as they
nearly always are, the instance goes back. If at two checks in a row a connection waits, all workers
are urged, and again every AGAIN_SECONDS as long as connections wait.

What it costs. Workers: nothing. Its process: while connections come, some ten system calls in each
LOOK_SECONDS, however many come; while none comes, nothing. A connection that no worker takes waits
for 2 * LOOK_SECONDS or AGAIN_SECONDS, half a second, until the workers are urged. Workers that are
too busy for the connections that come are urged in vain, twice a second.
"""

import select
import socket
from collections.abc import Callable, Sequence

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.process.poller import Alarm, Handler, Poller

LOOK_SECONDS = 0.25
AGAIN_SECONDS = 0.5
_LOOKS_BEFORE_URGING = 2


class AcceptWatch:
    """Watches the accept queues.

    Args:
        poller: That of its process.
        find_sockets: Returns the listening sockets that several workers share.
        urge: Has all workers urged.
    """

    def __init__(
        self,
        poller: Poller,
        find_sockets: Callable[[], Sequence[socket.socket]],
        urge: Callable[[], object],
    ) -> None:
        self._poller = poller
        self._find_sockets = find_sockets
        self._urge = urge
        self._sockets: list[socket.socket] = []
        self._epoll: select.epoll | None = None  # None: there is nothing to watch
        self._is_armed = False  # the poller watches it
        self._alarm: Alarm | None = None  # the next look otherwise
        self._look_count = 0  # in a row, at which a connection waited

    def sync(self) -> None:
        """Watch the sockets of now.

        Another set of sockets has another epoll instance: one that is closed here stays in the old
        one while a worker has it open.
        """
        sockets = list(self._find_sockets())
        is_same = [id(one) for one in sockets] == [id(one) for one in self._sockets]
        if not is_same:
            self.close()
            if sockets:
                self._open(sockets)

    def close(self) -> None:
        """Watch nothing."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._epoll is not None:
            self._poller.remove(self._epoll.fileno())
            self._epoll.close()
            self._epoll = None
        self._is_armed = False
        self._sockets = []

    def close_in_worker(self) -> None:
        """Close a worker's copy."""
        if self._epoll is not None:
            self._epoll.close()

    # Private -----------------------------------------------------------------------------------

    def _open(self, sockets: list[socket.socket]) -> None:
        self._epoll = select.epoll()
        try:
            for sock in sockets:
                self._epoll.register(sock.fileno(), select.EPOLLIN)
            self._watch()
        except BaseException:
            self.close()
            raise
        self._sockets = sockets

    def _watch(self) -> None:
        """Wait for a connection."""
        self._look_count = 0
        if self._epoll is not None:
            handler = Handler(HandlerName.ACCEPT_WATCH, self._notice)
            self._poller.add(self._epoll.fileno(), handler)
            self._is_armed = True

    def _notice(self) -> None:
        """A connection has come: look in a moment whether somebody has taken it."""
        if self._epoll is not None:
            self._poller.remove(self._epoll.fileno())
            self._is_armed = False
            self._look_after(LOOK_SECONDS)

    def _look_after(self, seconds: float) -> None:
        handler = Handler(HandlerName.ACCEPT_WATCH, self._look)
        self._alarm = self._poller.call_later(seconds, handler)

    def _look(self) -> None:
        self.sync()
        if self._epoll is None or self._is_armed:  # these are other sockets
            return
        if not self._epoll.poll(0):
            self._watch()
            return
        self._look_count += 1
        if self._look_count >= _LOOKS_BEFORE_URGING:
            self._urge()
            self._look_after(AGAIN_SECONDS)
        else:
            self._look_after(LOOK_SECONDS)
