"""--preload: loaded once for each generation, shared by its workers, anew at a reload."""

import os
import re
import signal
from pathlib import Path

import pytest

from ngxloop.serving.base.errors import ConfigError, ExitCode
from ngxloop.serving.config.config import Config
from tests.serving.support import connect, receive_line, wait_gone
from tests.support.waiting import wait_until_blocking

SOURCE = """
import asyncio, gc, os, sys
print("loaded by", os.getpid(), os.geteuid(), file=sys.stderr, flush=True)
LOADED_BY = os.getpid()
BALLAST = [bytearray(4096) for _ in range({pages})]
class Tell(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(f"{version} {{os.getpid()}} {{os.getppid()}} {{LOADED_BY}}\\n".encode())
        transport.close()
"""


@pytest.fixture
def application(tmp_path):
    """Write the module; returns the options that serve it."""

    def write(version=1, extra="", pages=1):
        source = SOURCE.format(version=version, pages=pages) + extra
        (tmp_path / "preloaded.py").write_text(source)
        return ["preloaded:Tell", "--preload", "--app-dir", str(tmp_path)]

    return write


def ask(server):
    with connect(server.address) as sock:
        return [int(word) for word in receive_line(sock).split()]


def loads(server):
    return [int(pid) for pid in re.findall(r"loaded by (\d+)", server.log)]


def private_kib(pid):
    """Return how much of a process's memory nobody shares."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"^Private_\w+: +(\d+) kB", text, re.MULTILINE))


def test_application_is_loaded_once_and_workers_are_the_masters_children(serve, application):
    server = serve(*application(), "--workers", "3").serving()
    (loader,) = loads(server)
    for _ in range(6):
        version, pid, parent, loaded_by = ask(server)
        assert (version, parent, loaded_by) == (1, server.pid, loader)
        assert pid in server.worker_pids(1)
    assert server.end() == 0
    wait_gone(loader)


@pytest.mark.complaint(17)
def test_workers_share_the_memory_of_the_application(serve, application):
    pages = 10_000  # 40 MiB
    server = serve(*application(pages=pages), "--workers", "2").serving()
    for pid in server.worker_pids(1):
        assert private_kib(pid) < 4 * pages / 2


@pytest.mark.complaint(17)
def test_reload_loads_the_new_code_in_a_process_of_its_own(serve, application):
    server = serve(*application(), "--workers", "2").serving()
    application(version=2)
    server.send(signal.SIGHUP)
    server.logged("generation 2 serves, 1 drains")
    wait_gone(*server.worker_pids(1))
    first, second = loads(server)
    assert ask(server)[0] == 2
    assert ask(server)[3] == second
    wait_gone(first)


@pytest.mark.complaint(13)
def test_reloads_leave_nothing_in_the_master(serve, application):
    server = serve(*application(), "--workers", "1").serving()
    fds = Path(f"/proc/{server.pid}/fd")
    counts = []
    for generation in range(2, 6):
        old = [loads(server)[-1], *server.worker_pids(generation - 1)]
        server.send(signal.SIGHUP)
        server.logged(f"generation {generation} serves")
        wait_gone(*old)
        server.caught_up()
        counts.append(len(list(fds.iterdir())))
    assert len(set(counts)) == 1
    assert len(list(Path(f"/proc/{server.pid}/task").iterdir())) == 1


def test_worker_that_dies_is_replaced_out_of_the_same_memory(serve, application):
    server = serve(*application(), "--workers", "1").serving()
    (pid,) = server.worker_pids(1)
    os.kill(pid, signal.SIGKILL)
    server.logged(r"worker 1\.0 ready")
    assert loads(server) == [ask(server)[3]]


def test_process_that_has_loaded_may_die(serve, application):
    server = serve(*application(), "--workers", "1").serving()
    (loader,) = loads(server)
    os.kill(loader, signal.SIGKILL)
    server.logged("the process that had loaded preloaded:Tell for generation 1 is gone")
    os.kill(server.worker_pids(1)[0], signal.SIGKILL)
    server.logged(r"worker 1\.0 ready")
    _, pid, parent, loaded_by = ask(server)
    assert (parent, loaded_by) == (server.pid, pid)
    assert server.end() == 0


def test_process_that_has_loaded_and_hangs_is_killed(serve, application):
    server = serve(*application(), "--workers", "1").serving()
    (loader,) = loads(server)
    assert b"ngxloop: preload 1 " in Path(f"/proc/{loader}/cmdline").read_bytes()
    os.kill(loader, signal.SIGSTOP)
    os.kill(server.worker_pids(1)[0], signal.SIGKILL)
    server.logged("did not fork; generation 1 loads its application in each worker from now on")
    server.logged("worker 1.0 ready")
    wait_gone(loader)
    assert server.end() == 0


def test_worker_of_a_process_that_dies_before_it_names_it_never_begins(serve, application):
    extra = (
        "def die():\n    if os.getppid() == LOADED_BY:\n"  # in the process that forks the worker
        "        print('forked by', os.getpid(), file=sys.stderr, flush=True)\n"
        "        os.kill(LOADED_BY, 9)\n"
        "os.register_at_fork(after_in_parent=die)\n"
    )
    server = serve(*application(extra=extra), "--workers", "1").serving()
    assert "forked by" in server.log
    _, pid, parent, loaded_by = ask(server)
    assert (pid, parent, loaded_by) == (server.worker_pids(1)[0], server.pid, pid)
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    wait_until_blocking(lambda: children.read_text().split() == [str(pid)], "no other child")
    assert server.end() == 0
    assert "READY twice" not in server.log


@pytest.mark.parametrize("is_first", [True, False], ids=["start", "reload"])
def test_process_that_dies_as_soon_as_it_has_loaded_is_one_line(
    serve, application, tmp_path, is_first
):
    """Both are one event of its channel if the master does not look in between."""
    wait = (
        "import pathlib, time\n"
        f"folder = pathlib.Path({str(tmp_path)!r})\n"
        "(folder / 'loading').touch()\n"
        "while not (folder / 'go').exists():\n    time.sleep(0.001)\n"
    )
    if is_first:
        server = serve(*application(extra=wait))
    else:
        server = serve(*application()).serving()
        application(extra=wait)
        server.send(signal.SIGHUP)
    wait_until_blocking((tmp_path / "loading").exists)
    server.logged("loaded by")
    loader = loads(server)[-1]
    server.send(signal.SIGSTOP)
    (tmp_path / "go").touch()
    where = Path(f"/proc/{loader}/wchan")
    wait_until_blocking(lambda: "poll" in where.read_text(), "it waits for the master")
    os.kill(loader, signal.SIGKILL)
    state = Path(f"/proc/{loader}/stat")
    wait_until_blocking(lambda: state.read_text().rpartition(")")[2].split()[0] == "Z")
    server.send(signal.SIGCONT)
    if is_first:
        assert server.ended() == ExitCode.START_TIMEOUT
        assert "ngxloop-serve: the process that loads preloaded:Tell has died" in server.log
    else:
        server.logged("reload failed: generation 1 goes on serving")
        assert server.end() == 0


def test_application_that_cannot_be_loaded_is_one_line(serve, application):
    server = serve(*application(extra="1 / 0\n"), "--workers", "3")
    assert server.ended() == ExitCode.IMPORT_FAILED
    assert server.log.count("ngxloop-serve: importing preloaded failed: ZeroDivisionError") == 1
    assert server.log.count("1 / 0") == 1


def test_application_that_cannot_be_loaded_changes_nothing_on_a_reload(serve, application):
    server = serve(*application(), "--workers", "1").serving()
    application(version=2, extra="1 / 0\n")
    server.send(signal.SIGHUP)
    server.logged("reload failed: generation 1 goes on serving")
    assert ask(server)[0] == 1
    application(version=3)
    server.send(signal.SIGHUP)
    server.logged("serves, 1 drains")
    wait_gone(*server.worker_pids(1))
    assert ask(server)[0] == 3


@pytest.mark.parametrize(
    ("extra", "seconds", "line"),
    [
        ("os.kill(os.getpid(), 9)", "30", "the process that loads preloaded:Tell has died"),
        ("import time; time.sleep(600)", "1", "preloaded:Tell was not loaded after 1 s"),
    ],
)
def test_application_that_dies_or_hangs_while_it_is_loaded_is_one_line(
    serve, application, extra, seconds, line
):
    server = serve(*application(extra=extra + "\n"), "--start-timeout", seconds)
    assert server.ended() == ExitCode.START_TIMEOUT
    assert f"ngxloop-serve: {line}" in server.log
    wait_gone(*loads(server))


def test_end_while_the_application_is_loaded_ends_at_once(serve, application):
    server = serve(*application(extra="import time; time.sleep(600)\n"))
    server.logged("loaded by")
    assert server.end() == 0
    wait_gone(*loads(server))


def test_master_that_is_killed_takes_the_process_that_has_loaded_with_it(serve, application):
    server = serve(*application(), "--workers", "1").serving()
    pids = [*loads(server), *server.worker_pids(1)]
    os.kill(server.pid, signal.SIGKILL)
    wait_gone(*pids)


@pytest.mark.complaint(17)
def test_threads_and_sockets_of_the_application_are_named(serve, application):
    extra = (
        "import socket, threading, time\n"
        "sock = socket.socket()\n"
        "threading.Thread(target=time.sleep, args=(600,), name='poller', daemon=True).start()\n"
    )
    server = serve(*application(extra=extra)).serving()
    assert "it started threads, which no worker inherits (poller)" in server.log
    assert re.search(r"it opened sockets, which all workers share \(fd \d+ \(socket:", server.log)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_application_is_loaded_as_the_user_of_the_workers(serve_as):
    (serve_as.apps / "preloaded.py").write_text(SOURCE.format(version=1, pages=1))
    options = ["--preload", "--cpu-affinity", "auto", "-w", "2"]
    server = serve_as("nobody", "preloaded:Tell", *options).serving()
    found = re.search(r"loaded by \d+ (\d+)", server.log)
    assert found[1] == "65534"
    for pid in server.worker_pids(1):
        assert Path(f"/proc/{pid}").stat().st_uid == 65534
        assert len(os.sched_getaffinity(pid)) == 1


def test_script_cannot_be_preloaded():
    with pytest.raises(ConfigError, match="preload: a script cannot be preloaded"):
        Config(app="program.py", preload=True)
