"""Every handler of the master raises, once, then a thousand times; each time the service goes on.

faulty_master.py lets a handler raise by its name. CASES says for each name what brings the handler
about, and what must be seen when it has failed; a handler that is not in the table fails the test.
"""

import contextlib
import dataclasses
import json
import os
import re
import resource
import signal
import time
from collections.abc import Callable

import pytest

from ngxloop.serving.base.handlernames import HandlerName
from tests.serving.faulty_support import MANY, FaultyMaster, reloads, until, until_ready
from tests.serving.support import (
    children,
    connect,
    http_get,
    receive_line,
    status_process,
    wait_for_status_process,
    wait_gone,
)

# What brings a handler about ---------------------------------------------------------------------


def wait(master):
    """It comes by itself."""


def send(number):
    return lambda master: master.server.send(number)


def term_worker(master):
    os.kill(master.worker, signal.SIGTERM)


def kill_worker(master):
    os.kill(master.worker, signal.SIGKILL)


def keepers(master):
    pid = master.server.pid
    return set(children(pid)) - {status_process(pid), *master.workers()}


def kill_keeper(master):
    (master.keeper,) = keepers(master)
    os.kill(master.keeper, signal.SIGKILL)


def send_question(address, question):
    """Return a connection on which a question is; whether it is read does not matter yet."""
    sock = connect(address)
    with contextlib.suppress(BrokenPipeError):  # closed already
        sock.sendall(question)
    return sock


def ask_status(master):
    master.answer = send_question(master.status_address, b"GET /healthz HTTP/1.0\r\n\r\n")


def ask_control(master):
    master.answer = send_question(master.control, b'{"command": "status"}\n')


def be_silent(master):
    with connect(master.control) as sock:
        assert sock.recv(1) == b""


def take_descriptors(master):
    """Let an accept fail for want of descriptors, for a moment."""
    pid = master.server.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    with connect(master.control):
        master.server.logged("cannot accept an admin connection")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def kill_status_process(master):
    os.kill(wait_for_status_process(master.server.pid), signal.SIGKILL)


def reload_slowly(master):
    (master.folder / "slow").touch()
    master.server.send(signal.SIGHUP)


def block(master):
    with connect(master.address) as sock:
        receive_line(sock)
        sock.sendall(b"block\n")
        master.server.logged("event loop blocked for")


def break_application(master):
    (master.folder / "broken").touch()


def send_message(master):
    master.tell(b"packet 02 0\n")


# What must be seen afterwards --------------------------------------------------------------------


def goes_on(master):
    assert http_get(master.status_address, "/healthz") == (200, b"ok\n")


def has_keeper(master):
    until(lambda: len(keepers(master) - {master.keeper}) == 1, "another keeper")
    goes_on(master)


def is_answered(master):
    with master.answer as sock:
        assert sock.recv(100)
    goes_on(master)


def is_closed(master):
    with master.answer as sock, contextlib.suppress(ConnectionResetError):
        assert sock.recv(100) == b""
    goes_on(master)


def is_closed_or_answered(master):
    """The failure may be that of the connection before, by which the worker was asked for."""
    with master.answer as sock, contextlib.suppress(ConnectionResetError):
        sock.recv(100)
    goes_on(master)


def stays(master):
    goes_on(master)
    assert master.workers() == [master.worker]


def replaced(master):
    until_ready(master, other_than=[master.worker])


def reload_has_failed(master):
    master.server.logged(r"reload failed: generation \d+ goes on serving")
    (master.folder / "slow").unlink(missing_ok=True)
    master.server.send(signal.SIGHUP)
    reloads(master)


def reloads_when_asked_again(master):
    master.server.send(signal.SIGHUP)
    reloads(master)


def successor_serves(master):
    (master.folder / "broken").unlink()
    replaced(master)


def upgrade_is_taken_back(master):
    master.server.logged(r"the new master \(process \d+\) exited .* this one continues")
    goes_on(master)


def is_fed(master):
    def fed():
        with contextlib.suppress(BlockingIOError):
            return b"WATCHDOG=1" in master.notify.recv(1000)

    until(lambda: not fed(), "an empty queue")
    until(fed, "the watchdog to be fed")


def ends(master):
    assert master.server.ended() == 0


def goes_on_and_ends(master):
    goes_on(master)
    assert master.server.end() == 0


@dataclasses.dataclass
class Case:
    cause: Callable[[FaultyMaster], object]
    effect: Callable[[FaultyMaster], object]
    options: tuple[str, ...] = ()
    repeats: bool = False  # it is called again by itself, after pauses, until it succeeds
    has_ended: bool = False  # the master, by then
    burst: int = 50  # how often it may raise before the pauses take effect


N = HandlerName
RECYCLING = ("--max-lifetime", "0.2")
PROGRAM = ("--interface", "main")
CASES = {
    N.SIGNALS: Case(send(signal.SIGHUP), reloads, repeats=True),
    N.WORKER_CHANNEL: Case(term_worker, replaced),
    N.ZYGOTE_CHANNEL: Case(send(signal.SIGHUP), reload_has_failed, ("--preload",)),
    N.KEEPER_CHANNEL: Case(wait, goes_on, PROGRAM),
    N.KEEPER_REPORT: Case(wait, goes_on, PROGRAM, repeats=True),
    N.KEEPER_RESTART: Case(kill_keeper, has_keeper, PROGRAM, repeats=True),
    N.STATUS_LISTENER: Case(ask_status, is_answered, repeats=True),
    N.STATUS_CONNECTION: Case(ask_status, is_closed),
    N.STATUS_LINE: Case(ask_status, is_closed_or_answered),
    N.STATUS_ORDERS: Case(send(signal.SIGUSR1), goes_on, repeats=True),
    N.STATUS_PROCESS: Case(kill_status_process, goes_on, repeats=True),
    N.STATUS_REPORT: Case(wait, goes_on, repeats=True),
    N.CONTROL_LISTENER: Case(ask_control, is_answered, repeats=True),
    N.CONTROL_CONNECTION: Case(ask_control, is_closed_or_answered),
    N.NEW_MASTER: Case(send(signal.SIGUSR2), upgrade_is_taken_back),
    N.ACCEPT_PAUSE: Case(take_descriptors, goes_on, repeats=True),
    N.ACCEPT_WATCH: Case(wait, goes_on, repeats=True),
    N.CONNECTION_TIMEOUT: Case(be_silent, goes_on),
    N.ZYGOTE_TIMEOUT: Case(
        reload_slowly, reload_has_failed, ("--preload", "--start-timeout", "1"), repeats=True
    ),
    N.HEALTH_CHECK: Case(wait, goes_on, ("--hang-timeout", "0.5"), repeats=True),
    N.UNSERVED_CHECK: Case(send(signal.SIGHUP), goes_on),
    N.WATCHDOG: Case(wait, is_fed, repeats=True),
    N.TURN: Case(wait, goes_on_and_ends, repeats=True, has_ended=True),
    N.POLL: Case(wait, goes_on_and_ends, repeats=True, has_ended=True),
    N.ORDER: Case(send(signal.SIGHUP), reloads_when_asked_again),
    N.DECISION: Case(kill_worker, replaced, repeats=True, burst=100),
    N.DEADLINE: Case(reload_slowly, reload_has_failed, ("--start-timeout", "1"), repeats=True),
    N.REAPING: Case(kill_worker, replaced, repeats=True),
    N.SPAWNING: Case(kill_worker, replaced),
    N.RELOAD: Case(send(signal.SIGHUP), reload_has_failed),
    N.LOGGING: Case(kill_worker, replaced),
    N.SERVING_STEP: Case(send(signal.SIGHUP), reloads),
    N.WORKER_STEP: Case(send(signal.SIGHUP), reloads),
    N.LOST_MESSAGE: Case(send_message, stays),
    # After failures of the watchdog; it makes five checks in each turn of the master.
    N.AUDIT: Case(kill_worker, replaced, repeats=True, burst=100),
}


# They are not in the master: a new keeper, or line, comes for the one that has failed.
IN_KEEPER = (N.KEEPER_ORDERS, N.KEEPER_LINE)
IN_NEW_MASTER = (N.OLD_MASTER,)


def test_every_handler_has_its_case():
    assert {*CASES, *IN_KEEPER, *IN_NEW_MASTER} == set(HandlerName)


def test_handler_of_a_new_master_that_raises_is_called_again(start_faulty):
    master = start_faulty(())
    until_ready(master)
    master.server.send(signal.SIGUSR2)
    new = int(master.server.logged(r"the new master \(process (\d+)\) serves").group(1))
    master.let_fail(N.OLD_MASTER, 3, new)
    assert master.server.end(signal.SIGQUIT) == 0
    master.server.logged(rf"the old master \(process {master.server.pid}\) has ended")
    assert master.raised == 3
    goes_on(master)
    os.kill(new, signal.SIGQUIT)
    wait_gone(new)


@pytest.mark.parametrize("name", IN_KEEPER)
def test_handler_of_the_keeper_that_raises_ends_its_owner_only(start_faulty, name):
    master = start_faulty(PROGRAM)
    (master.worker,) = until_ready(master)
    master.let_fail(name, 1)
    kill_worker(master)
    until(lambda: master.raised == 1, f"{name} to raise")
    master.let_work()
    replaced(master)
    has_keeper(master)
    assert count_lines(master, name) >= 1  # a second keeper may have been forked before let_work()
    assert master.server.end() == 0


@pytest.mark.parametrize("name", CASES)
def test_handler_that_raises_ends_its_owner_only(start_faulty, name):
    case = CASES[name]
    master = start_faulty(case.options)
    began = time.monotonic()
    raised = see_failure(master, name, 1)
    if case.has_ended:
        assert count_lines(master, name) >= 1
        master = start_faulty(case.options)
    raised += see_failure(master, name, MANY)
    # Each failure is counted; at most one in ten seconds is logged.
    assert 1 <= count_lines(master, name) <= 2 + (time.monotonic() - began) / 10
    if not case.has_ended:
        until(lambda: failures(master)["handlers"][name] >= raised, "a report of now")
        assert failures(master)["handlers"][name] == raised
        until_ready(master)
        goes_on(master)
        assert master.server.end() == 0


def failures(master):
    """Return the failures of the master and of the process that answers for the status."""
    return json.loads(http_get(master.status_address, "/status.json")[1])["failures"]


def see_failure(master, name, times):
    """Let a handler raise, and check the effect; return how often it has raised."""
    case = CASES[name]
    (master.worker,) = until_ready(master)
    began, cpu = time.monotonic(), master.cpu_seconds()
    master.let_fail(name, times)
    case.cause(master)
    least = min(times, 4) if case.repeats else 1
    until(lambda: master.raised >= least, f"{name} to raise")
    count, seconds = master.raised, time.monotonic() - began
    assert count <= case.burst + 10 * seconds  # far from the thousand: it pauses
    assert master.cpu_seconds() - cpu <= 1.0 + seconds / 2
    master.let_work()
    case.effect(master)
    return master.raised


def count_lines(master, name):
    return len(re.findall(f"the handler '{name}' ", master.server.read_log()))
