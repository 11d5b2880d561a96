"""One question, one answer, then the end: short conversations on a stream socket in the poller.

Rule: nobody holds the master up. Sockets do not block, a question has a length and a time limit,
and there are few conversations at a time: while there are enough, new ones wait in the kernel's
queue, and the time limit makes room for them.
"""

import socket
from collections.abc import Callable

from ngxloop.serving.logs import log
from ngxloop.serving.poller import READABLE, WRITABLE, Poller

SESSION_COUNT = 16
SESSION_SECONDS = 2.0
QUESTION_BYTES = 8192
_PAUSE_SECONDS = 1.0  # when no conversation can be accepted: out of descriptors, say


class Sessions:
    """The conversations on one listening socket.

    Args:
        poller: Where they take place.
        sock: The listening socket, which stays its owner's.
        end: What a question ends with.
        answer: Returns the answer to a whole question; it may not block.
    """

    def __init__(
        self, poller: Poller, sock: socket.socket, end: bytes, answer: Callable[[bytes], bytes]
    ) -> None:
        self._poller = poller
        self._sock = sock
        self._end = end
        self._answer = answer
        self._open: set[_Session] = set()
        self._is_accepting = False
        self._is_closed = False
        sock.setblocking(False)
        self.resume()

    def resume(self) -> None:
        """Accept conversations, if there is room."""
        if not self._is_accepting and not self._is_closed and len(self._open) < SESSION_COUNT:
            self._poller.add(self._sock.fileno(), self._accept)
            self._is_accepting = True

    def pause(self) -> None:
        """Leave new ones in the queue."""
        if self._is_accepting:
            self._poller.remove(self._sock.fileno())
            self._is_accepting = False

    def close(self) -> None:
        """End all of them."""
        self.pause()
        self._is_closed = True
        for session in list(self._open):
            session.close()

    def close_in_worker(self) -> None:
        """Close a worker's copies: the other side waits for the last one."""
        for session in self._open:
            session.sock.close()

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except BlockingIOError:
            return
        except OSError as error:
            log.error("cannot accept a question: %s; again in %g s", error, _PAUSE_SECONDS)
            self.pause()
            self._poller.call_later(_PAUSE_SECONDS, self.resume)
            return
        session = _Session(self._poller, sock, self._end, self._answer, self._forget)
        self._open.add(session)
        if len(self._open) >= SESSION_COUNT:
            self.pause()

    def _forget(self, session: "_Session") -> None:
        self._open.discard(session)
        self.resume()


class _Session:
    """One conversation: first the question, then the answer."""

    def __init__(
        self,
        poller: Poller,
        sock: socket.socket,
        end: bytes,
        answer: Callable[[bytes], bytes],
        closed: Callable[["_Session"], None],
    ) -> None:
        self.sock = sock
        self._poller = poller
        self._end = end
        self._answer = answer
        self._closed = closed
        self._question = b""
        self._rest = b""
        sock.setblocking(False)
        self._alarm = poller.call_later(SESSION_SECONDS, self.close)
        poller.add(sock.fileno(), self._read)

    def close(self) -> None:
        """End it, whatever is left to say."""
        self._alarm.cancel()
        self._poller.remove(self.sock.fileno())
        self.sock.close()
        self._closed(self)

    def _read(self) -> None:
        try:
            data = self.sock.recv(QUESTION_BYTES)
        except BlockingIOError:
            return
        except OSError:  # reset
            data = b""
        self._question += data
        if self._end in self._question:
            self._rest = self._answer(self._question)
            self._poller.change(self.sock.fileno(), self._write, WRITABLE)
            self._write()
        elif not data or len(self._question) > QUESTION_BYTES:
            self.close()

    def _write(self) -> None:
        try:
            sent = self.sock.send(self._rest)
        except BlockingIOError:
            return
        except OSError:  # nobody waits for it any more
            self.close()
            return
        self._rest = self._rest[sent:]
        if not self._rest:
            # what comes behind the question is read, or the kernel would reset the answer
            self.sock.shutdown(socket.SHUT_WR)
            self._poller.change(self.sock.fileno(), self._drain, READABLE)

    def _drain(self) -> None:
        try:
            if self.sock.recv(QUESTION_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:  # reset
            pass
        self.close()
