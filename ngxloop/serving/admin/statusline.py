"""The line from the master to the process that answers for the status: orders, and its requests.

A request of the process is one byte: it wants a report. Reports on request are at least GAP_SECONDS
apart, and take at most a tenth of the master's time.
"""

import contextlib
import functools
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence

from ngxloop.serving.admin.statusprocess import REPORTED
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.process.channel import has_unread
from ngxloop.serving.process.closing import close_unreceived, receive_data
from ngxloop.serving.process.poller import Handler, Poller

HEARTBEAT_SECONDS = 1.0  # a report comes at least this often; a third of STALE_SECONDS
GAP_SECONDS = 0.01  # between two reports that were asked for, at least
_GAP_PER_REPORT = 9  # times what the report before has taken, with thousands of workers 20 ms
_REQUEST_BYTES = 1


class StatusLine:
    """The line, while there is a process.

    Args:
        poller: Of the master.
        report: Replaces the report by one of now.
    """

    def __init__(self, poller: Poller, report: Callable[[], None]) -> None:
        self._poller = poller
        self._report = report
        self._sock: socket.socket | None = None

    @property
    def is_deaf(self) -> bool:
        """Say whether the process has not read what it was sent, or has no line any more."""
        return self._sock is None or has_unread(self._sock)

    def open(self, sock: socket.socket) -> None:
        """Take over the master's end for a new process."""
        self._sock = sock
        self._listen(sock)

    def close(self) -> None:
        """Close the line; the process ends when it reads the end of file."""
        if self._sock is not None:
            self._poller.remove(self._sock.fileno())
            close_unreceived(self._sock)
            self._sock = None

    def close_in_worker(self) -> None:
        """Close a worker's copy."""
        if self._sock is not None:
            self._sock.close()

    def order(self, pid: int, order: bytes, fds: Sequence[int] = ()) -> None:
        """Tell the process; one that does not read is killed, and so replaced."""
        if self._sock is None:
            return
        try:
            socket.send_fds(self._sock, [order], fds)
        except OSError:
            if pid:
                os.kill(pid, signal.SIGKILL)

    def tell(self, word: bytes) -> None:
        """Send what the process can do without, if it can be sent now."""
        if self._sock is not None:
            with contextlib.suppress(OSError):  # it does not read, or is gone
                self._sock.send(word)

    def _listen(self, sock: socket.socket) -> None:
        if sock is self._sock:
            handler = Handler(HandlerName.STATUS_LINE, self._read_requests, self.close)
            self._poller.add(sock.fileno(), handler)

    def _read_requests(self) -> None:
        """Report; not again for a moment, whatever the process sends."""
        sock = self._sock
        assert sock is not None
        try:
            request, _ = receive_data(sock, _REQUEST_BYTES)
        except BlockingIOError:
            return
        if not request:  # the end of file: it is reaped next; or it has sent descriptors, and ends
            self.close()
            return
        began = time.monotonic()
        self._report()
        gap = report_gap(time.monotonic() - began)
        self.tell(REPORTED)
        self._poller.remove(sock.fileno())
        again = Handler(HandlerName.STATUS_LINE, functools.partial(self._listen, sock), self.close)
        self._poller.call_later(gap, again)


def report_gap(seconds: float) -> float:
    """Return how long to wait after a report that was asked for, and has taken some seconds.

    No longer than until the next heartbeat, which reports as well.
    """
    return min(max(GAP_SECONDS, _GAP_PER_REPORT * seconds), HEARTBEAT_SECONDS)
