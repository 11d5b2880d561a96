"""The process that answers for the status: what it may do, and what the master does without it."""

import contextlib
import ctypes
import faulthandler
import json
import os
import resource
import select
import signal
import socket
import time
from pathlib import Path

import pytest

from ngxloop.core.scoreboard import STARTING, Scoreboard
from ngxloop.serving.admin.snapshots import SNAPSHOT_BYTES, SnapshotMemory, pack_report
from ngxloop.serving.admin.statusline import report_gap
from ngxloop.serving.admin.statuspage import STALE_SECONDS, StatusPage
from ngxloop.serving.process.privileges import NOBODY
from tests.serving.support import (
    can_refuse_descriptors,
    children,
    connect,
    http_get,
    open_links,
    status_process,
    wait_for_status_process,
    wait_gone,
)
from tests.support.addresses import free_bind
from tests.support.waiting import wait_until_blocking

_SYS_PIDFD_GETFD = 438
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to drop")


class Status:
    """A master with a status page."""

    def __init__(self, server, where):
        self.server = server
        host, _, port = where.rpartition(":")
        self.address = host, int(port)

    @property
    def pid(self):
        return status_process(self.server.pid)

    def ask(self, path="/status.json"):
        code, body = http_get(self.address, path)
        return (code, json.loads(body)) if path == "/status.json" else (code, body)


@pytest.fixture
def status(serve, request):
    """Start a master with a status page."""
    where = free_bind()
    options = getattr(request, "param", ())
    interface = ("--interface", "protocol")  # else a keeper is there until it is known
    server = serve("plain:Echo", "--status-bind", where, *interface, *options).serving()
    found = Status(server, where)
    wait_for_status_process(server.pid)
    return found


def process_fields(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


@AS_ROOT
def test_process_of_root_has_no_rights(status):
    fields = process_fields(status.pid)
    assert fields["Uid"].split() == fields["Gid"].split() == [str(NOBODY)] * 4
    assert fields["Groups"].split() in ([], [str(NOBODY)])
    assert [fields[f"Cap{kind}"] for kind in ("Prm", "Eff", "Inh", "Amb")] == ["0" * 16] * 4
    assert fields["NoNewPrivs"] == "1"
    limits = Path(f"/proc/{status.pid}/limits").read_text()
    assert "Max core file size        0 " in limits


@AS_ROOT
def test_process_can_only_read_the_scoreboard(status):
    assert shared_memory(status.pid).count("r--s") == 1
    assert shared_memory(status.server.pid).count("r--s") == 0


def shared_memory(pid):
    """Return the rights to each anonymous shared mapping."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return [line.split()[1] for line in lines if "/dev/zero" in line]


@AS_ROOT
def test_process_has_the_user_of_the_workers(serve_as):
    where = free_bind()
    server = serve_as("65533", "plain:Echo", "--status-bind", where).serving()
    found = Status(server, where)
    wait_for_status_process(server.pid)
    assert process_fields(found.pid)["Uid"].split() == ["65533"] * 4
    code, told = found.ask()
    assert (code, told["pid"]) == (200, server.pid)
    assert told["workers"][0]["rss"] > 0


def test_process_that_dies_is_started_again(status):
    old = status.pid
    for _ in range(3):
        os.kill(old, signal.SIGKILL)
        status.server.logged(rf"the status process \(process {old}\) was killed by SIGKILL")
        assert status.ask("/healthz") == (200, b"ok\n")
        old = status.pid
    assert status.server.end() == 0


def test_process_that_is_stopped_costs_the_master_nothing(status):
    os.kill(status.pid, signal.SIGSTOP)
    waiting = [connect(status.address) for _ in range(50)]
    for sock in waiting:
        sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    for generation in range(2, 5):
        status.server.send(signal.SIGHUP)
        status.server.logged(f"reloaded: generation {generation} serves")
    os.kill(status.pid, signal.SIGCONT)
    for sock in waiting:
        sock.close()
    wait_until_blocking(lambda: status.ask()[1]["generation"] == 4, "the newest report")
    assert status.server.end() == 0


def test_process_that_stays_stopped_is_replaced(status):
    old = status.pid
    os.kill(old, signal.SIGSTOP)
    waiting = connect(status.address)
    status.server.logged(rf"the status process \(process {old}\) does not respond; killed")
    waiting.close()
    assert status.ask("/readyz") == (200, b"ready\n")
    assert status.pid != old
    assert status.server.end() == 0


@AS_ROOT
def test_process_whose_limits_were_lowered_is_replaced(status):
    old = status.pid
    if (pid := os.fork()) == 0:  # another process of its user
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        resource.prlimit(old, resource.RLIMIT_NOFILE, (3, 64))
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    status.server.logged(rf"the status process \(process {old}\) exited with code 0; respawned")
    assert status.ask("/readyz") == (200, b"ready\n")
    assert status.server.end() == 0


@AS_ROOT
def test_process_without_a_line_that_does_not_end_is_replaced(status):
    """Whoever has taken the process over can close its line, and stop its end of file."""
    old = status.pid
    os.kill(old, signal.SIGSTOP)
    with take_line(status) as line:
        line.shutdown(socket.SHUT_RDWR)
    status.server.logged(rf"the status process \(process {old}\) does not respond; killed")
    assert status.ask("/readyz") == (200, b"ready\n")
    assert status.server.end() == 0


@AS_ROOT
def test_reload_with_another_user_has_a_process_of_that_user(serve, tmp_path):
    file, where = tmp_path / "ngxloop.toml", free_bind()
    file.write_text('user = "nobody"\n')
    options = ("--config", str(file), "--status-bind", where, "--workers", "1")
    found = Status(serve("plain:Echo", *options).serving(), where)
    wait_until_blocking(lambda: found.pid, "the process")
    old = found.pid
    file.write_text('user = "54321"\n')
    found.server.send(signal.SIGHUP)
    found.server.logged("reloaded: generation 2 serves")
    wait_gone(old)
    assert found.ask("/readyz") == (200, b"ready\n")
    assert process_fields(found.pid)["Uid"].split() == ["54321"] * 4
    same = found.pid
    found.server.send(signal.SIGHUP)
    found.server.logged("reloaded: generation 3 serves")
    assert found.ask()[1]["generation"] == 3
    assert found.pid == same
    assert found.server.end() == 0


def test_process_that_is_stopped_does_not_keep_the_master_from_its_end(status):
    pid = status.pid
    os.kill(pid, signal.SIGSTOP)
    assert status.server.end() == 0
    wait_gone(pid)
    with socket.socket() as sock:
        assert sock.connect_ex(status.address) != 0


def test_stuck_master_is_neither_alive_nor_ready(status):
    os.kill(status.server.pid, signal.SIGSTOP)
    wait_until_blocking(lambda: status.ask("/healthz")[0] == 503, "the report to be old")
    for path in ("/healthz", "/readyz"):
        code, body = status.ask(path)
        assert (code, body[:29]) == (503, b"the master has not responded ")
    told = status.ask()[1]
    assert (told["state"], told["ready"]) == ("not responding", False)
    assert b"ngxloop_up 0\n" in status.ask("/metrics")[1]
    os.kill(status.server.pid, signal.SIGCONT)
    wait_until_blocking(lambda: status.ask("/readyz") == (200, b"ready\n"), "the master's answer")
    assert status.server.end() == 0


def test_process_ends_with_its_master(status):
    pid = status.pid
    assert status.server.end(signal.SIGKILL) == -signal.SIGKILL
    wait_gone(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_to_the_whole_group_do_not_end_the_process(status, number):
    pid = status.pid
    os.kill(pid, number)
    assert status.ask("/healthz") == (200, b"ok\n")
    assert status.pid == pid


def test_process_writes_to_the_log_that_was_opened_again(serve, tmp_path):
    log, old = tmp_path / "error.log", tmp_path / "error.log.1"
    server = serve("plain:Echo", "--status-bind", free_bind(), "--error-log", str(log))
    wait_until_blocking(lambda: log.exists() and " serving " in log.read_text(), "the start")
    pid = wait_for_status_process(server.pid)
    log.rename(old)
    server.send(signal.SIGUSR1)
    wait_until_blocking(log.exists, "the new log")
    wait_until_blocking(lambda: os.path.samefile(f"/proc/{pid}/fd/2", log), "the process")
    assert server.end() == 0


@AS_ROOT
def test_process_that_floods_its_line_costs_the_master_a_bounded_time(status):
    """Whoever has taken the process over has its line; its messages are wishes for reports."""
    line = take_line(status)
    fd_count = len(os.listdir(f"/proc/{status.server.pid}/fd"))
    poll = select.poll()
    poll.register(line, select.POLLOUT)
    end = time.monotonic() + 1.0
    before = cpu_seconds(status.server.pid)
    with line, socket.socket() as sent:
        fds = [] if can_refuse_descriptors() else [sent.fileno()]
        while time.monotonic() < end:
            if poll.poll(100):
                socket.send_fds(line, [b"o" * 1000], fds)
    assert cpu_seconds(status.server.pid) - before < 0.5  # a spinning master would use it all
    master = Path(f"/proc/{status.server.pid}/fd")
    wait_until_blocking(lambda: len(os.listdir(master)) <= fd_count, "what is still in the queue")
    status.server.send(signal.SIGHUP)
    status.server.logged("reloaded: generation 2 serves")
    assert status.ask("/readyz") == (200, b"ready\n")
    assert status.server.end() == 0


def take_line(status):
    """Return a copy of the process's end of its line: the only connected socket that it has."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(status.pid)
    try:
        for name in os.listdir(f"/proc/{status.pid}/fd"):
            fd = libc.syscall(_SYS_PIDFD_GETFD, pidfd, int(name), 0)
            if fd < 0:
                pytest.skip(f"pidfd_getfd(): {os.strerror(ctypes.get_errno())}")
            try:
                sock = socket.socket(fileno=fd)
            except OSError:  # another kind of file
                os.close(fd)
                continue
            with contextlib.suppress(OSError):
                sock.getpeername()
                return sock
            sock.close()
    finally:
        os.close(pidfd)
    raise AssertionError("no line")


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_workers_have_no_line_to_the_process(status):
    its = {*open_links(status.pid)} - {"/dev/null"}
    for pid in set(children(status.server.pid)) - {status.pid}:
        assert not {one for one in its & {*open_links(pid)} if one.startswith("socket:")}


@pytest.mark.parametrize(
    ("took", "gap"),
    [(0.0, 0.01), (0.001, 0.01), (0.02, 0.18), (1.0, 1.0)],
    ids=["instant", "quick", "thousands of workers", "slow"],
)
def test_reports_that_are_asked_for_take_a_tenth_of_the_masters_time(took, gap):
    assert report_gap(took) == pytest.approx(gap)


# The parts ----------------------------------------------------------------------------------------


def test_scoreboard_that_is_protected_can_be_read_and_not_written():
    board = Scoreboard(2)
    board.claim(0, os.getpid())
    pid = os.fork()
    if pid == 0:
        faulthandler.disable()  # it ends as it should
        board.protect()
        if board.read(0)["state"] != STARTING:
            os._exit(1)
        board.set_state(0, STARTING, wakes_workers=False)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code == -signal.SIGSEGV
    board.set_state(0, STARTING)  # here nothing has changed


def test_report_that_is_written_while_it_is_read_is_never_torn():
    memory = SnapshotMemory()
    memory.write(b"a" * 1000)
    memory.read()  # what it has later if the writer does not let it read a whole one
    pid = os.fork()
    if pid == 0:
        while True:
            for letter in b"abc":
                memory.write(bytes([letter]) * (1000 + 100 * letter))
    try:
        seen = set()
        while len(seen) < 3:
            report, age = memory.read()
            assert len(set(report)) == 1
            assert len(report) == 1000 or len(report) == 1000 + 100 * report[0]
            assert age < 60
            seen.add(report[0])
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    with pytest.raises(ValueError, match="at most"):
        memory.write(bytes(SNAPSHOT_BYTES + 1))
    memory.close()


@pytest.mark.parametrize(
    ("path", "age", "code"),
    [
        ("/readyz", STALE_SECONDS - 0.1, 200),
        ("/readyz", STALE_SECONDS + 0.1, 503),
        ("/healthz", STALE_SECONDS - 0.1, 200),
        ("/healthz", STALE_SECONDS + 0.1, 503),
        ("/status.json", 1000.0, 200),
    ],
)
def test_answer_depends_on_the_age_of_the_report(path, age, code):
    page = StatusPage(lambda: ({"ready": True, "state": "serving"}, age))
    answer = page.answer(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    assert answer.split()[1] == b"%d" % code


@pytest.mark.parametrize("counts", [(4, 8000), (8000, 4), (8000, 8000), (4, 4)])
def test_report_whose_lists_are_too_long_fits_without_their_ends(counts):
    whole = {"state": "serving"}
    for name, count in zip(("workers", "listeners"), counts, strict=True):
        whole[name] = [{"number": number, "text": "\\udcff" * 100} for number in range(count)]
    packed = pack_report(dict(whole))
    assert len(packed) <= SNAPSHOT_BYTES
    report = json.loads(packed)
    assert report["state"] == "serving"
    for name, count in zip(("workers", "listeners"), counts, strict=True):
        assert report[name] == whole[name][: len(report[name])]
        assert len(report[name]) == count if count == 4 else 0 < len(report[name]) < count


def test_report_that_is_too_long_without_its_lists_is_refused():
    report = {"text": "x" * SNAPSHOT_BYTES, "workers": [1], "listeners": [2]}
    memory = SnapshotMemory()
    with pytest.raises(ValueError, match="at most"):
        memory.write(pack_report(report))
