"""One request, one answer, then the end: short conversations on a stream socket in the poller.

Rules.
1. A client delays neither the master nor another client. Sockets do not block; a request has a
   limit of size and time; so has what follows it.
2. Connections are accepted as they come. When CONNECTION_COUNT are open, the oldest one without a
   complete request is closed for the new one; if all are complete, the oldest one. The data of a
   new connection is read at once, so a client that sends its request as soon as it is connected is
   answered, even if many others are silent.
3. Descriptors that a client of a Unix socket sends are closed; see closing.py.
4. An exception in a connection closes only that connection (poller.py).
5. An answer may come later: the client then waits without a time limit, as one of CONNECTION_COUNT.
"""

import dataclasses
import errno
import socket
from collections.abc import Callable

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.closing import close_fds, close_with_queue, receive_with_fds
from ngxloop.serving.process.poller import READABLE, WRITABLE, Alarm, Handler, Poller

CONNECTION_COUNT = 16
CONNECTION_SECONDS = 2.0
REQUEST_BYTES = 4096
BACKLOG = 128  # connections that the kernel keeps for us between two turns
_TRAILING_BYTES = 65536  # what may follow a request: it is read, so that no reset spoils the answer
_PAUSE_SECONDS = 1.0  # after an accept that failed for want of descriptors or memory
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclasses.dataclass(frozen=True)
class RequestProtocol:
    """The protocol of a listening socket.

    Attributes:
        listener: The name of the handler that accepts.
        connection: The name of the handlers of one connection.
        end: What a request ends with.
        answer: Answers a request, given with its end: calls its second argument, now or later,
            once. It may not block.
        too_long: The answer to a request of more than REQUEST_BYTES.
    """

    listener: HandlerName
    connection: HandlerName
    end: bytes
    answer: Callable[[bytes, Callable[[bytes], None]], None]
    too_long: bytes


class RequestServer:
    """The conversations on one listening socket, which stays its owner's."""

    def __init__(self, poller: Poller, sock: socket.socket, protocol: RequestProtocol) -> None:
        self._poller = poller
        self._sock = sock
        self._protocol = protocol
        self._open: dict[_Connection, None] = {}  # the oldest first
        self._is_accepting = False
        self._is_closed = False
        self._again: Alarm | None = None  # accepts again after a failure
        sock.setblocking(False)
        self._watch()

    def resume(self) -> None:
        """Accept conversations; if the socket cannot be watched now, try again after a pause."""
        self._cancel_retry()
        if self._is_accepting or self._is_closed:
            return
        try:
            self._watch()
        except OSError as error:
            self._retry(error)

    def pause(self) -> None:
        """Leave new ones in the queue until resume()."""
        self._cancel_retry()
        if self._is_accepting:
            self._poller.remove(self._sock.fileno())
            self._is_accepting = False

    def close(self) -> None:
        """End all of them."""
        self.pause()
        self._is_closed = True
        for connection in list(self._open):
            connection.close()

    def close_in_worker(self) -> None:
        """Close a worker's copies: the other side waits for the last one."""
        for connection in self._open:
            connection.sock.close()

    def _watch(self) -> None:
        handler = Handler(self._protocol.listener, self._accept)
        self._poller.add(self._sock.fileno(), handler)
        self._is_accepting = True

    def _retry(self, error: OSError) -> None:
        log.error("cannot accept an admin connection: %s; retrying in %g s", error, _PAUSE_SECONDS)
        again = Handler(HandlerName.ACCEPT_PAUSE, self.resume)
        self._again = self._poller.call_later(_PAUSE_SECONDS, again)

    def _cancel_retry(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except (BlockingIOError, ConnectionError):  # the client is gone again
            return
        except OSError as error:
            if error.errno not in _SHORTAGES:
                raise
            self.pause()
            self._retry(error)
            return
        begin = Handler(
            self._protocol.connection, lambda: self._begin(sock), lambda: close_with_queue(sock)
        )
        self._poller.call(begin)

    def _begin(self, sock: socket.socket) -> None:
        if len(self._open) >= CONNECTION_COUNT:
            silent = (connection for connection in self._open if not connection.has_asked)
            next(silent, next(iter(self._open))).close()
        connection = _Connection(self._poller, sock, self._protocol, self._forget)
        self._open[connection] = None
        self._poller.call(connection.handler(connection.read))

    def _forget(self, connection: "_Connection") -> None:
        self._open.pop(connection, None)


class _Connection:
    """One conversation: first the request, then the answer."""

    def __init__(
        self,
        poller: Poller,
        sock: socket.socket,
        protocol: RequestProtocol,
        closed: Callable[["_Connection"], None],
    ) -> None:
        self.sock = sock
        self.has_asked: bool = False  # its request is complete
        self._is_held = False  # its answer comes later
        self._is_told = False
        self._is_closed = False
        self._poller = poller
        self._protocol = protocol
        self._closed = closed
        self._request = bytearray()
        self._rest = memoryview(b"")  # of the answer
        self._trailing_count = 0
        sock.setblocking(False)
        self._alarm = self._limit()
        poller.add(sock.fileno(), self.handler(self.read))

    def handler(self, action: Callable[[], None]) -> Handler:
        """Return a handler of ours: when it raises, the connection ends."""
        return Handler(self._protocol.connection, action, self.close)

    def close(self) -> None:
        """End it, whatever is left to say."""
        self._closed(self)
        self._is_closed = True
        self._alarm.cancel()
        self._poller.remove(self.sock.fileno())
        close_with_queue(self.sock)

    def read(self) -> None:
        """Take in what has arrived of the request; answer when it is whole."""
        data = self._receive(REQUEST_BYTES + 1 - len(self._request))
        if data is None:
            return
        searched = max(0, len(self._request) + 1 - len(self._protocol.end))
        self._request += data
        found = self._request.find(self._protocol.end, searched)
        length = found + len(self._protocol.end)
        if found >= 0 and length <= REQUEST_BYTES:
            self.has_asked = True
            self._protocol.answer(bytes(self._request[:length]), self._answer)
            if not self._is_told and not self._is_closed:
                self._hold()
        elif len(self._request) > REQUEST_BYTES:
            self._tell(self._protocol.too_long)
        elif not data:
            self.close()

    def _limit(self) -> Alarm:
        timeout = Handler(HandlerName.CONNECTION_TIMEOUT, self.close, self.close)
        return self._poller.call_later(CONNECTION_SECONDS, timeout)

    def _hold(self) -> None:
        """Wait for the answer: nothing more is read meanwhile, and the time is not limited."""
        self._is_held = True
        self._alarm.cancel()
        self._poller.remove(self.sock.fileno())

    def _answer(self, answer: bytes) -> None:
        """Send the answer, if the client was not given up meanwhile."""
        if self._is_closed or self._is_told:
            return
        if self._is_held:
            self._poller.call(self.handler(lambda: self._release(answer)))
        else:
            self._tell(answer)

    def _release(self, answer: bytes) -> None:
        self._alarm = self._limit()
        self._poller.add(self.sock.fileno(), self.handler(self._write), WRITABLE)
        self._tell(answer)

    def _tell(self, answer: bytes) -> None:
        self.has_asked = self._is_told = True
        self._rest = memoryview(answer)
        self._poller.change(self.sock.fileno(), self.handler(self._write), WRITABLE)
        self._write()

    def _write(self) -> None:
        try:
            self._rest = self._rest[self.sock.send(self._rest) :]
            if self._rest:
                return
            self.sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:  # nobody waits for it any more
            self.close()
            return
        # Data behind the request is read, or the kernel would send a reset after the answer.
        self._poller.change(self.sock.fileno(), self.handler(self._drain), READABLE)

    def _drain(self) -> None:
        data = self._receive(REQUEST_BYTES)
        if data is None:
            return
        self._trailing_count += len(data)
        if not data or self._trailing_count > _TRAILING_BYTES:
            self.close()

    def _receive(self, size: int) -> bytes | None:
        """Return what has arrived, b"" at the end, None if there is nothing yet."""
        try:
            data, fds, _ = receive_with_fds(self.sock, size)
            close_fds(fds)  # a client of a Unix socket can send some
            return data
        except BlockingIOError:
            return None
        except OSError:  # reset
            return b""
