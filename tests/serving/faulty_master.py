"""ngxloop-serve with handlers that raise: a program for test_guards.py and test_audit.py.

The file $FAULTY_PLAN has the process id of the master, the name of a handler, how often it raises
from now on, and the number of the plan. Without the file nothing fails. How often the handler has
raised for a plan is counted in the file "count-NUMBER" beside it.
"""

import dataclasses
import errno
import os
import sys
from pathlib import Path

from ngxloop.cli import main
from ngxloop.serving.admin import requestserver, statussupervisor
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.fleet import (
    executor,
    generations,
    liveness,
    machine,
    messages,
    processes,
    reaper,
    recycling,
    service,
    spawning,
    workerevents,
    workerforker,
    workerprocess,
    workers,
)
from ngxloop.serving.handover import handover
from ngxloop.serving.master import actionhandlers
from ngxloop.serving.process import channel, poller
from ngxloop.serving.sockets import keeperprocesses, listeners

_PLAN = Path(os.environ.get("FAULTY_PLAN", "/nonexistent"))
_MASTER = os.getpid()
_raised = {}  # by the number of the plan
# Handlers of the process that answers for the status, and of the keeper.
_OTHERS = {
    HandlerName.STATUS_LISTENER,
    HandlerName.STATUS_CONNECTION,
    HandlerName.STATUS_ORDERS,
    HandlerName.KEEPER_ORDERS,
    HandlerName.KEEPER_LINE,
}


def is_due(name):
    """Say whether a handler of that name is to raise now, and count it."""
    if os.getpid() != _MASTER and name not in _OTHERS:
        return False
    try:
        pid, wanted, times, number = _PLAN.read_text().split(",")
    except OSError:  # there is none, or no descriptor to read it with
        return False
    raised = _raised.setdefault(number, 0)
    if int(pid) != _MASTER or wanted != name or raised >= int(times):
        return False
    _raised[number] += 1
    (_PLAN.parent / f"count-{number}").write_text(str(raised + 1))
    return True


def is_needed_for_audit(name):
    """Say whether something else has to fail, so that there is an audit."""
    return name == HandlerName.WATCHDOG and os.getpid() == _MASTER and is_planned("audit")


def is_planned(name):
    """Say whether the plan is about a handler of that name."""
    return _PLAN.exists() and f",{name}," in _PLAN.read_text()


def fail():
    """Raise what no handler expects."""
    raise RuntimeError("raised on purpose")


# Steps in the middle of something, by name: the classes, or modules, and functions of the master.
STEPS = {
    f"{made.__name__.rpartition('.')[2]}.{name}": (made, name)
    for made, names in {
        poller.Poller: ("add", "remove"),
        workerforker.WorkerForker: ("assign", "_make_child", "_finish"),
        reaper.Reaper: ("_reap",),
        processes.Processes: ("prepare", "send", "kill", "release", "drop_shared"),
        workerprocess.WorkerProcess: ("order", "send_signal"),
        messages.Messages: ("watch", "end"),
        executor.Executor: ("_handle", "_log", "_resolve"),
        actionhandlers.ActionHandlers: (
            "_prepare",
            "_close_listeners",
            "_call_hook",
            "_set_up_logs_again",
        ),
        service.GenerationServices: ("add", "close"),
        listeners.Listeners: ("close",),
        handover.Handover: ("tell_ready",),
        machine: ("reconcile",),
        workers: ("spawn", "spawned", "drain", "stop", "gone", "detach", "drop_unused_sockets"),
        spawning: ("fill", "spawn_again"),
        generations: (
            "begin",
            "_accept",
            "generation_failed",
            "scale",
            "drain_all",
            "start_wanted_reload",
        ),
        recycling: ("replace_wanted", "promote", "drain"),
        liveness: ("next_deadline",),
        workerevents: ("_on_lost", "_refill"),
    }.items()
    for name in names
}


class SpoiledEpoll:
    """An epoll with a poll() that fails."""

    def __init__(self, epoll):
        self._epoll = epoll

    def __getattr__(self, name):
        return getattr(self._epoll, name)

    def poll(self, timeout):
        if is_due(HandlerName.POLL):
            raise OSError(errno.ENOMEM, "raised on purpose")
        return self._epoll.poll(timeout)


def shorten_waits():
    """Let what happens by itself, or is tried again, happen soon."""
    requestserver.CONNECTION_SECONDS = 1.0
    keeperprocesses.REPORT_SECONDS = 0.3
    requestserver._PAUSE_SECONDS = liveness.DUMP_SECONDS = actionhandlers.UNSERVED_SECONDS = 0.3


def keep_rights():
    """Let the process that answers for the status read the plan."""
    statussupervisor._identity = lambda config: None


def spoil():
    """Wrap the one guard, and what is not called through it."""
    call, epoll = poller.Poller.call, poller.select.epoll
    received = channel.Channel.messages

    def faulty_call(self, handler):
        if is_due(handler.name) or is_needed_for_audit(handler.name):
            handler = dataclasses.replace(handler, action=fail)
        return call(self, handler)

    def faulty_messages(self, limit=sys.maxsize):
        if is_due(HandlerName.LOST_MESSAGE):
            for message in received(self, limit):
                message.discard()
            self._lost_count += 1
            return iter(())
        return received(self, limit)

    poller.Poller.call = faulty_call
    faulty_select = {**vars(poller.select), "epoll": lambda: SpoiledEpoll(epoll())}
    poller.select = type("select", (), faulty_select)
    channel.Channel.messages = faulty_messages
    for name, (made, method) in STEPS.items():
        setattr(made, method, faulty_step(name, getattr(made, method)))


def faulty_step(name, step):
    """Return a step that raises if it is due, and else does what it does."""

    def do(*args, **kwargs):
        if is_due(name):
            fail()
        return step(*args, **kwargs)

    return do


if __name__ == "__main__":
    shorten_waits()
    keep_rights()
    spoil()
    sys.exit(main())
