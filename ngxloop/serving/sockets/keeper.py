"""The keeper: a process that binds sockets for the programs of the workers, and keeps them.

Why a process of its own. It binds, and creates and removes the files of Unix sockets, with the
rights of --user: a program gets what it could bind by itself, and the kernel decides. Neither a
path nor a descriptor of a worker reaches the master, which may be root. A path leads through
folders that the user may own, where a link can replace a part at any time, and a file system may
not answer: then the keeper hangs, not the master. And its sockets outlive the workers.

How it works. The master forks a keeper when the first worker that may need it starts, and gives it
one end of a line for each worker; the worker has the other one. The keeper takes on the user, has
one thread, and serves one message at a time (sharedsockets.py). It tells the master the addresses
that it keeps, the workers that send nonsense, and connections that no worker takes
(acceptwatch.py). After an upgrade the keeper of the new master gets the sockets from the keeper of
the old one, over a line between the two.

Rules.
1. It never loads the application, executes no program and trusts the master only. No process of the
   same user can trace it or read its memory (PR_SET_DUMPABLE); one can stop or kill it, which harms
   the programs of that user.
2. It ends if another process has changed its limits, too low for sockets perhaps: the master then
   has another one.
3. It ends with the master: at the end of file, at END, or by the SIGKILL that the kernel sends at
   the master's death. Signals to the whole group of processes do not end it.
"""

import dataclasses
import functools
import json
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence

from ngxloop.serving.base.badmessage import BadMessageError
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.config.config import Config
from ngxloop.serving.config.tls import forget_keys
from ngxloop.serving.logs.logformats import Writer
from ngxloop.serving.logs.logs import log, reopen, set_up_logs
from ngxloop.serving.options.logging import LogOptions
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.process.closing import close_socket
from ngxloop.serving.process.message import Message, MessageKind, Speaker
from ngxloop.serving.process.parent import signal_on_parent_death
from ngxloop.serving.process.poller import WRITABLE, Alarm, Handler, Poller
from ngxloop.serving.process.privileges import set_dumpable
from ngxloop.serving.process.rlimits import own_limits
from ngxloop.serving.process.titles import set_title
from ngxloop.serving.sockets.acceptwatch import AcceptWatch
from ngxloop.serving.sockets.bindrequest import BindRequest
from ngxloop.serving.sockets.keeperlimits import HANDOVER_SECONDS, MESSAGES_PER_TURN, SYNC_SECONDS
from ngxloop.serving.sockets.listeners import describe_address, is_listening
from ngxloop.serving.sockets.queues import read_queue
from ngxloop.serving.sockets.requester import Requester
from ngxloop.serving.sockets.sharedsockets import Shared, SharedSockets

_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE)


@dataclasses.dataclass(frozen=True)
class Inherited:
    """What the master before has left to a keeper."""

    lines: Sequence[socket.socket] = ()  # of its keepers, which send their sockets
    sockets: Sequence[tuple[str, socket.socket]] = ()  # of a release that had no keeper; by request

    def close(self) -> None:
        """Close the copies of a process that is not the keeper."""
        for sock in (*self.lines, *(sock for _, sock in self.sockets)):
            close_socket(sock)


def run_keeper(channel: Channel, config: Config, master_pid: int, inherited: Inherited) -> int:
    """Keep sockets until the master is gone; return the exit status. Called in the fork."""
    forget_keys()
    set_title("keeper")
    own = {field.name: getattr(config, field.name) for field in dataclasses.fields(LogOptions)}
    options = LogOptions(**{**own, "access_log": None})
    set_up_logs(options, Writer("keeper"), config.start_plan.uid)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    try:
        config.start_plan.apply_to_keeper()
    except StartError as error:
        log.error("%s", error.line)
        return error.code
    set_dumpable(False)  # no process of the same user traces it
    if signal_on_parent_death(signal.SIGKILL, master_pid):  # setuid() undoes it
        keeper = _Keeper(channel)
        keeper.inherit(inherited)
        keeper.run()
    return ExitCode.OK


class _Keeper:
    """The keeper's side of the lines."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._shared = SharedSockets(self._tell_kept, self._tell_dropped)
        self._requesters: dict[int, tuple[Requester, Channel]] = {}  # by the descriptor of the line
        self._poller = Poller()
        self._accept_watch = AcceptWatch(self._poller, self._find_listening, self._tell_unaccepted)
        self._sync_alarm: Alarm | None = None
        self._limits = own_limits()
        self._orders: dict[MessageKind, Callable[[Message], object]] = {
            MessageKind.LINE: self._open_line,
            MessageKind.HANG_UP: lambda message: self._hang_up(int(message.payload)),
            MessageKind.DROP_OLDER: lambda message: self._shared.drop_older(int(message.payload)),
            MessageKind.REPORT: lambda message: self._report(),
            MessageKind.HAND_OVER: self._begin_handover,
            MessageKind.REOPEN: lambda message: reopen(),
            MessageKind.END: self._end,
        }
        self._is_over = False

    def inherit(self, inherited: Inherited) -> None:
        """Take over the sockets of the master before."""
        for key, sock in inherited.sockets:
            try:
                self._shared.inherit(BindRequest.unpack(key.encode()), sock)
            except BadMessageError as error:  # of a program that is older than this one
                log.warning("%s is not taken over: %s", describe_address(sock), error)
                close_socket(sock)
        deadline = time.monotonic() + HANDOVER_SECONDS
        for sock in inherited.lines:
            line = Channel(sock, Speaker.OLD_KEEPER)
            if not self._receive_all(line, deadline):
                log.error("the keeper of the old master has not handed over all its sockets")
            line.end()

    def run(self) -> None:
        """Serve until the master has ended, or says so."""
        handler = Handler(HandlerName.KEEPER_ORDERS, self._handle_orders, self._give_up)
        self._poller.add(self._channel.fileno(), handler)
        self._sync_soon()
        while not self._is_over:
            self._poller.wait(None)

    # Private -----------------------------------------------------------------------------------

    def _give_up(self) -> None:
        """End; the master has another keeper, with the sockets that the workers have."""
        self._is_over = True

    # The master --------------------------------------------------------------------------------

    def _handle_orders(self) -> None:
        for message in self._channel.messages(MESSAGES_PER_TURN):
            self._orders[message.kind](message)
        if not self._channel.is_open and not self._is_over:  # it was killed
            log.debug("the master is gone")
            self._shared.close(leave_files=True)
            self._is_over = True

    def _open_line(self, message: Message) -> None:
        line = Channel.of(message.fds[0], Speaker.BIND_CLIENT)
        requester, fd = Requester.unpack(message.payload), line.fileno()
        self._requesters[fd] = requester, line
        serve, close = functools.partial(self._serve, fd), functools.partial(self._close_line, fd)
        self._poller.add(fd, Handler(HandlerName.KEEPER_LINE, serve, close, requester.name))
        self._sync_soon()

    def _hang_up(self, number: int) -> None:
        for fd, (requester, _) in list(self._requesters.items()):
            if requester.number == number:
                self._close_line(fd)

    def _report(self) -> None:
        if own_limits() != self._limits:
            log.error("another process has changed the limits of the keeper; it exits")
            self._give_up()
            return
        for shared in self._shared:
            self._tell_kept(shared)
        self._sync()
        self._channel.send_surely(MessageKind.REPORTED)

    def _end(self, message: Message) -> None:
        self._shared.close(leave_files=bool(message.payload))
        self._is_over = True

    def _tell_kept(self, shared: Shared) -> None:
        """Tell the master what it does not know of a socket: queues seldom change."""
        address, queue = describe_address(shared.sock), _queue_of(shared.sock)
        fields = [shared.number, address, *queue, _is_shut(shared)]
        if fields != shared.told:
            shared.told = fields
            self._channel.send_surely(MessageKind.KEPT, json.dumps(fields).encode())

    def _tell_dropped(self, number: int) -> None:
        self._channel.send_surely(MessageKind.DROPPED, str(number).encode())

    # Connections that no worker takes ----------------------------------------------------------

    def _sync_soon(self) -> None:
        """Watch the sockets of now; a program binds several, and listens a moment later."""
        if self._sync_alarm is None:
            handler = Handler(HandlerName.ACCEPT_WATCH, self._sync)
            self._sync_alarm = self._poller.call_later(SYNC_SECONDS, handler)

    def _sync(self) -> None:
        if self._sync_alarm is not None:
            self._sync_alarm.cancel()
            self._sync_alarm = None
        self._poller.call(Handler(HandlerName.ACCEPT_WATCH, self._accept_watch.sync))

    def _find_listening(self) -> list[socket.socket]:
        found = [one.sock for one in self._shared if not _is_shut(one) and one.has_listened]
        return found if len(self._requesters) > 1 else []  # else no other worker could take them

    def _tell_unaccepted(self) -> None:
        """Let the master urge its workers; if it does not read, it is told again soon."""
        self._channel.send(MessageKind.UNACCEPTED)

    # Workers -----------------------------------------------------------------------------------

    def _serve(self, fd: int) -> None:
        requester, line = self._requesters[fd]
        for message in line.messages(MESSAGES_PER_TURN):
            try:
                self._answer(requester, message)
            except BadMessageError as error:  # its descriptors are closed
                line.refuse(str(error))
            except Exception:
                log.exception("a message of %s could not be handled", requester.name)
                line.refuse("a message that could not be handled")
        line.take_lost_count()  # the worker sees that its request was lost
        if line.fault:
            report = json.dumps([requester.number, line.fault[:200]]).encode()
            self._channel.send_surely(MessageKind.MALFORMED, report)
        if not line.is_open:
            self._close_line(fd)
        self._sync_soon()

    def _answer(self, requester: Requester, message: Message) -> None:
        if message.kind is MessageKind.BIND:
            self._shared.answer_bind(requester, message)
        elif message.kind is MessageKind.KEEP:
            self._shared.answer_keep(requester, message)
        else:
            self._shared.answer_release(requester, message)

    def _close_line(self, fd: int) -> None:
        if fd in self._requesters:
            requester, line = self._requesters.pop(fd)
            self._poller.remove(fd)
            line.end()
            self._shared.forget(requester)

    # An upgrade --------------------------------------------------------------------------------

    def _begin_handover(self, message: Message) -> None:
        line = Channel.of(message.fds[0], Speaker.OLD_KEEPER)
        handover = _Handover(line, self._shared.hand_over())
        go_on = functools.partial(self._go_on, handover)
        end = functools.partial(self._end_handover, handover)
        self._poller.add(line.fileno(), Handler(HandlerName.KEEPER_LINE, go_on, end), WRITABLE)

    def _go_on(self, handover: "_Handover") -> None:
        if _is_hung_up(handover.line) or not handover.go_on():
            self._end_handover(handover)

    def _end_handover(self, handover: "_Handover") -> None:
        if handover.line.fileno() >= 0:
            self._poller.remove(handover.line.fileno())
            handover.line.close()

    def _receive_all(self, line: Channel, deadline: float) -> bool:
        """Keep what comes over a line; False if it did not come to its end."""
        poll = select.poll()
        poll.register(line.fileno(), select.POLLIN)
        while line.is_open:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                return False
            for message in line.messages(MESSAGES_PER_TURN):
                if message.kind is MessageKind.END:
                    return True
                self._take_over(message)
        return False

    def _take_over(self, message: Message) -> None:
        sock = socket.socket(fileno=message.fds[0])
        try:
            self._shared.inherit(BindRequest.unpack(message.payload), sock)
        except (BadMessageError, OSError) as error:
            log.warning("a socket is not taken over: %s", error)
            close_socket(sock)


class _Handover:
    """What is still to be sent to the keeper after us."""

    def __init__(self, line: Channel, left: list[tuple[BindRequest, socket.socket]]) -> None:
        self.line = line
        self._left = left[::-1]

    def go_on(self) -> bool:
        """Send what the queue takes; False when all is sent."""
        while self._left:
            request, sock = self._left[-1]
            if sock.fileno() >= 0 and not self.line.send(
                MessageKind.KEEP, request.pack(), [sock.fileno()]
            ):
                return True
            self._left.pop()
        return not self.line.send(MessageKind.END)


def _is_hung_up(line: Channel) -> bool:
    """Say whether the other end of a line is closed."""
    poll = select.poll()
    poll.register(line.fileno(), 0)  # POLLHUP and POLLERR come without being asked for
    return bool(poll.poll(0))


def _is_shut(shared: Shared) -> bool:
    """Say whether a socket has listened and does not any more: a worker has shut it down."""
    is_open = is_listening(shared.sock)
    shared.has_listened = shared.has_listened or is_open
    return shared.has_listened and not is_open


def _queue_of(sock: socket.socket) -> tuple[int | None, int | None]:
    """Return how many connections wait, and how many may; None if the kernel does not tell."""
    try:
        return read_queue(sock) or (None, None)
    except OSError:
        return None, None
