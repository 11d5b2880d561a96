"""--preload: the application is loaded once for each generation, and its workers share the memory.

A zygote is a child of the master that loads the application and then forks workers of it on demand.
Loading it in the master itself would share as much, but the master could never load new code, nor
get rid of what the application does to its process. So each reload has a zygote of its own, which
ends with its generation.

How a worker of the zygote becomes a child of the master, who has to wait for it. The zygote forks a
process in between, which forks the worker and ends; an orphan goes to the nearest ancestor that
has asked for orphans (prctl(2), PR_SET_CHILD_SUBREAPER): the master has. The worker begins when the
master says so over its channel (BEGIN), and ends if that is closed: a zygote that dies can leave a
worker behind of which the master does not know. Why not clone(CLONE_PARENT): glibc does not know of
such children, whose thread id it then has wrong.

The zygote becomes the workers' user before it loads anything. When it has loaded, it collects
garbage and freezes what is left (gc.freeze): a collection in a worker leaves those pages shared.
Measured with 4 workers and 80 MiB of objects and packages each: 353 MiB in all (PSS) without, 133
with it (CPython 3.13, Linux 6.18).
If it dies, workers are forked from the master and load the application themselves.
"""

import ctypes
import dataclasses
import gc
import json
import os
import select
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from ngxloop.serving.base.application import load_object
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.logs.logformats import Writer
from ngxloop.serving.logs.logs import log, reopen, restore, set_up_logs
from ngxloop.serving.process.channel import Channel, channel_pair
from ngxloop.serving.process.children import is_child
from ngxloop.serving.process.message import (
    MESSAGE_BYTES,
    MESSAGE_FDS,
    Message,
    MessageKind,
    Speaker,
)
from ngxloop.serving.process.parent import signal_on_parent_death
from ngxloop.serving.process.process import fork_child
from ngxloop.serving.process.titles import set_title
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.worker.assignment import Assignment
from ngxloop.serving.worker.libraries import take_libraries
from ngxloop.serving.worker.worker import run_worker

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_FORK_SECONDS = 5.0  # a zygote that has loaded does nothing but fork
_ANSWERS = 4  # messages of it in one turn: it says one at a time
_FDS = Path("/proc/self/fd")
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_strays(is_wanted: bool) -> None:
    """Let orphans of our descendants become our children, or no longer; for the master."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(is_wanted), 0, 0, 0) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"prctl(PR_SET_CHILD_SUBREAPER) failed: {os.strerror(errno)}")


class Zygote:
    """The master's side of one.

    Args:
        assign: Returns, for a channel, what a worker of this generation gets; each one's own parts
            come with spawn().
        forget: Closes, in the child, what belongs to the master.
    """

    def __init__(self, assign: Callable[[Channel], Assignment], forget: Callable[[], None]) -> None:
        ours, theirs = channel_pair(Speaker.ZYGOTE)
        self.channel = ours
        self.is_ready: bool = False  # it has loaded the application
        self.cancel: Callable[[], None] = lambda: None  # whatever waits for that
        assignment = assign(theirs)
        self.generation: int = assignment.generation
        self.config: Config = assignment.config

        def forget_all() -> None:
            ours.close()
            forget()

        try:
            self.pid: int = fork_child(forget_all, lambda: _ZygoteProcess(assignment).run())
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()

    def hear(self) -> StartError | None:
        """Take in what it says; return why it could not load, if it says so."""
        for message in self.channel.messages(_ANSWERS):
            if self.is_ready or message.kind is MessageKind.SPAWNED:
                self.channel.refuse(f"{message.kind.name} unasked")
            elif message.kind is MessageKind.FAILED:
                return StartError.unpack(message.payload)
            else:
                self.is_ready = True
        return None

    def spawn(self, assignment: Assignment) -> int:
        """Fork a worker and return its process id; it is a child of ours.

        Raises:
            OSError: The zygote is gone, or could not fork.
        """
        own: dict[str, Any] = {name: getattr(assignment, name) for name in _OWN_PARTS}
        own["has_line"] = assignment.line is not None
        lines = [] if assignment.line is None else [assignment.line.fileno()]
        sockets = [sock.fileno() for sock in assignment.sockets]
        fds = [assignment.channel.fileno(), assignment.stacks_fd, *lines, *sockets]
        if len(fds) > MESSAGE_FDS:
            raise BlockingIOError(f"{len(sockets)} sockets are too many to preload for")
        if not self.channel.send(MessageKind.SPAWN, json.dumps(own).encode(), fds):
            raise BrokenPipeError("the process that has preloaded the application is gone")
        poll = select.poll()
        poll.register(self.channel.fileno(), select.POLLIN)
        poll.poll(_FORK_SECONDS * 1000)
        for message in self.channel.messages(_ANSWERS):
            if message.kind is MessageKind.SPAWNED and int(message.payload):
                return int(message.payload)
        raise BlockingIOError("the process that has preloaded the application did not fork")

    def reopen_logs(self) -> None:
        """Let it, and all workers that it forks later, write to the new log files."""
        self.channel.send(MessageKind.REOPEN)

    def kill(self) -> None:
        """End it now: it does not listen, and what it was asked for must not happen later."""
        if is_child(self.pid):  # else it was reaped, and its id may be another's
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Let it end; its workers go on."""
        self.channel.end()

    def close_in_child(self) -> None:
        """Close the copy of another child: it ends when the last one is closed."""
        self.channel.close()


# What the zygote has inherited is the same for all workers; the rest travels as JSON, and channel,
# pipe, line and sockets as descriptors: in mode reuseport each worker has sockets of its own.
_OTHERWISE = {
    "config",
    "board",
    "channel",
    "line",
    "stacks_fd",
    "sockets",
    "master_pid",
    "is_preloaded",
}
_OWN_PARTS = [one.name for one in dataclasses.fields(Assignment) if one.name not in _OTHERWISE]


class _ZygoteProcess:
    """The zygote itself: it loads, then forks."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._config = assignment.config
        self._channel = assignment.channel

    def run(self) -> NoReturn:
        """Load, then fork until the master closes the channel."""
        status: int = ExitCode.INTERNAL
        try:
            status = self._live()
        finally:
            os._exit(status)  # not as a worker ends: what the application began is the workers'

    def _live(self) -> int:
        generation = self._assignment.generation
        for sock in self._assignment.sockets:  # they come with each worker
            sock.close()
        set_title(f"preload {generation} [{self._config.app}]")
        writer = Writer(f"preload {generation}", None, generation)
        set_up_logs(self._config, writer, self._config.start_plan.uid)
        try:
            self._config.start_plan.apply_shared()
            take_libraries(self._config.app_dir, self._config.start_plan.variables.names)
            if not signal_on_parent_death(signal.SIGKILL, self._assignment.master_pid):
                return ExitCode.OK
            self._load()
        except StartError as error:
            self._channel.send(MessageKind.FAILED, error.pack(MESSAGE_BYTES - 1))
            return error.code
        self._channel.send(MessageKind.READY)
        self._serve()
        return ExitCode.OK

    def _load(self) -> None:
        sockets = set(_sockets())
        load_object(self._config.app, self._config.app_dir)
        restore()
        for warning in _warnings(sockets):
            log.warning("%s while it was preloaded: %s", self._config.app, warning)
        gc.collect()
        gc.freeze()

    def _serve(self) -> None:
        poll = select.poll()
        poll.register(self._channel.fileno(), select.POLLIN)
        while self._channel.is_open:
            poll.poll()
            for message in self._channel.receive():
                if message.kind is MessageKind.SPAWN:
                    self._spawn(message)
                elif message.kind is MessageKind.REOPEN:
                    reopen()

    def _spawn(self, message: Message) -> None:
        """Fork a worker by way of a process in between, and tell its id; 0 if that failed."""
        channel_fd, stacks_fd, *fds = message.fds
        own = json.loads(message.payload)
        line = Channel.of(fds.pop(0)) if own.pop("has_line") else None
        theirs = Channel.of(channel_fd)
        sockets = [ListeningSocket(fileno=fd) for fd in fds]
        assignment = dataclasses.replace(
            self._assignment,
            channel=theirs,
            line=line,
            stacks_fd=stacks_fd,
            sockets=sockets,
            is_preloaded=True,
            **own,
        )
        answer, tell = os.pipe()
        between = os.fork()
        if between == 0:
            _fork_and_end(assignment, self._channel, (answer, tell))
        os.close(tell)
        with open(answer, "rb") as told:
            pid = told.read() or b"0"
        os.waitpid(between, 0)  # now the worker is the master's
        theirs.close()
        os.close(stacks_fd)
        if line is not None:
            line.close()
        for sock in sockets:
            sock.close()
        self._channel.send(MessageKind.SPAWNED, pid)


def _fork_and_end(assignment: Assignment, channel: Channel, fds: tuple[int, int]) -> NoReturn:
    _, tell = fds

    def work() -> int:
        for fd in fds:
            os.close(fd)
        if not assignment.channel.wait_for_message():
            os._exit(ExitCode.OK)  # it has not begun: nothing is to be cleaned up
        return run_worker(assignment)

    try:
        pid = fork_child(channel.close, work, True, assignment.stacks_fd)
        os.write(tell, str(pid).encode())
    finally:
        os._exit(0)


def _sockets() -> Iterator[str]:
    """Yield each open socket, as the kernel names it."""
    for entry in _FDS.iterdir():
        try:
            name = os.readlink(entry)
        except OSError:  # the descriptor that lists them, by now closed
            continue
        if name.startswith("socket:"):
            yield f"{entry.name} ({name})"


def _warnings(sockets_before: set[str]) -> Iterator[str]:
    """Yield what a fork does not carry over well."""
    threads = [thread.name for thread in threading.enumerate()]
    if len(threads) > 1:
        names = ", ".join(threads[1:])
        yield f"it started threads, which no worker inherits ({names}); start them in its start-up"
    if opened := sorted(set(_sockets()) - sockets_before):
        names = ", ".join(opened)
        yield f"it opened sockets, which all workers share (fd {names}); connect when it starts up"
