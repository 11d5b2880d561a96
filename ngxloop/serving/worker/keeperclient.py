"""A worker's line to the keeper: requests for sockets, and what the keeper answers.

After the death of a keeper the master gives us a line to another one. A request that meets this
moment waits for the new line, then raises ENOTCONN; one that the keeper does not answer raises
ETIMEDOUT.
"""

import errno
import os
import socket
import threading
import time
from collections.abc import Callable

from ngxloop.serving.process.channel import Channel, receive_fds
from ngxloop.serving.process.message import Message, MessageKind
from ngxloop.serving.process.poller import do_nothing
from ngxloop.serving.sockets.bindrequest import BindRequest
from ngxloop.serving.sockets.keeperlimits import ANSWER_SECONDS, RENEWAL_SECONDS
from ngxloop.serving.sockets.sharedsockets import BOUND, FAILED

_LOOK_SECONDS = 0.002
_KEEPER = "the process that binds for all workers"


class _KeeperGoneError(OSError):
    """The line to the keeper is closed."""


class KeeperClient:
    """Asks the keeper for sockets.

    Args:
        channel: To the master, which starts the keeper at the first request.
        line: To the keeper, if there is one already.
    """

    def __init__(self, channel: Channel, line: Channel | None) -> None:
        self._channel = channel
        self._line = line
        self.read_orders: Callable[[], object] = do_nothing  # in which a new line may be

    def close(self) -> None:
        """Ask for nothing more."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def renew(self, message: Message) -> None:
        """Have a line to another keeper."""
        self.close()
        self._line = Channel.of(message.fds[0])

    def keep(self, request: BindRequest, fd: int) -> None:
        """Let the keeper keep a socket that we have."""
        if self._line is not None:
            self._line.send_surely(MessageKind.KEEP, request.pack(), [fd], ANSWER_SECONDS)

    def release(self, request: BindRequest) -> None:
        """Tell the keeper that the program has closed a socket."""
        if self._line is not None:
            self._line.send_surely(MessageKind.RELEASE, request.pack(), seconds=ANSWER_SECONDS)

    def ask(self, sock: socket.socket, request: BindRequest) -> int | None:
        """Return the descriptor of the shared socket, None if it is the one that we sent."""
        line = self._line
        if line is None:  # the master starts the keeper at the first request
            self._channel.send(MessageKind.ASK_LINE)
        try:
            return self._ask_over(line, sock, request)
        except _KeeperGoneError:
            if not self._is_renewed(line):
                raise
            return self._ask_over(self._line, sock, request)

    # Private -----------------------------------------------------------------------------------

    def _is_renewed(self, line: Channel | None) -> bool:
        """Wait a moment for a line to another keeper; False if none comes."""
        deadline = time.monotonic() + RENEWAL_SECONDS
        while self._line is line and time.monotonic() < deadline:
            if threading.current_thread() is threading.main_thread():
                self.read_orders()
            time.sleep(_LOOK_SECONDS)
        return self._line is not line

    def _ask_over(
        self, line: Channel | None, sock: socket.socket, request: BindRequest
    ) -> int | None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                fds = (theirs.fileno(), sock.fileno())
                if line is None or not line.send_surely(
                    MessageKind.BIND, request.pack(), fds, ANSWER_SECONDS
                ):
                    raise _KeeperGoneError(
                        errno.ENOTCONN, f"{_KEEPER} cannot be asked for a socket"
                    )
            ours.settimeout(ANSWER_SECONDS)
            try:
                answer, received = receive_fds(ours, 64)
            except TimeoutError:
                text = f"{_KEEPER} has not answered within {ANSWER_SECONDS:g} s"
                raise OSError(errno.ETIMEDOUT, text) from None
        if answer == BOUND:
            return None
        if answer[:1] == FAILED:
            number = int(answer[1:])
            raise OSError(number, os.strerror(number))
        if not received:
            text = f"{_KEEPER} has died, or has refused this request"
            raise _KeeperGoneError(errno.ENOTCONN, text)
        return received[0]
