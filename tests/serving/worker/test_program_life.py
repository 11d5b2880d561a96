"""How programs begin and end: readiness, exit codes, signals, time-outs; main functions, too."""

import os
import re
import signal
from pathlib import Path

import pytest

from tests.serving.programs_support import EVEN, PROGRAMS, Load, ask_http, spread
from tests.serving.support import connect, receive_line, wait_gone
from tests.support.addresses import own_host
from tests.support.waiting import wait_until_blocking

ECHO = """\
import asyncio, os, signal, sys

async def echo(reader, writer):
    while line := await reader.readline():
        writer.write(line)
    writer.close()

async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    {extra}
    await server.serve_forever()
"""
RUN = "\nasyncio.run(main())\n"


@pytest.fixture(params=["script", "main"])
def start(request, serve, tmp_path):
    """Start an echo server as a script or as a main function."""

    def start(*options, extra="pass", workers=2):
        options = ("--workers", str(workers), "--log-level", "debug", *options)
        path = tmp_path / "echo_program.py"
        path.write_text(ECHO.format(extra=extra) + (RUN if request.param == "script" else ""))
        if request.param == "script":
            return serve(*options, str(path), program=True)
        folder = ("--app-dir", str(tmp_path))
        return serve("echo_program:main", *folder, *options, program=True)

    return start


def exchange(sock):
    """Send a line and get it back."""
    sock.sendall(b"hello\n")
    assert receive_line(sock) == b"hello\n"


def test_a_program_serves_spreads_reloads_and_ends(start):
    server = start(workers=4).serving()
    homes = spread(server.address, server.worker_pids(1), 80)
    assert max(homes) <= 20 * EVEN, homes
    with Load(ask_once, server.address).running() as load:
        load.wait_for_answers(10)
        server.send(signal.SIGHUP)
        for _ in range(4):
            server.logged(r"worker 1\.\d \(process \d+\) exited with code 0")
        load.wait_for_answers(10)
    assert load.failures == []
    assert server.end() == 0


def ask_once(address):
    with connect(address) as sock:
        exchange(sock)


def test_a_connection_is_served_to_its_end_while_the_program_drains(start):
    server = start().serving()
    with connect(server.address) as sock:
        exchange(sock)
        server.send(signal.SIGTERM)
        server.logged("ending")
        exchange(sock)
    assert server.ended() == 0


def test_an_address_that_the_program_does_not_bind_is_named_once(start, tmp_path):
    server = start("--bind", f"unix:{tmp_path}/unserved").serving()
    server.logged(f"no worker accepts at unix:{tmp_path}/unserved, given with --bind")
    assert server.end() == 0
    assert server.log.count("no worker accepts") == 1


def test_an_address_that_the_program_binds_is_not_named(start, tmp_path):
    path = tmp_path / "served"
    bind_it = f"other = await asyncio.start_unix_server(echo, {str(path)!r})"
    unserved = f"unix:@ngxloop-unserved-{os.getpid()}"
    server = start("--bind", f"unix:{path}", "--bind", unserved, extra=bind_it)
    server.serving().logged(f"no worker accepts at {unserved}")
    assert server.end() == 0
    assert server.log.count("no worker accepts") == 1


@pytest.mark.complaint(10)
def test_what_still_runs_at_the_deadline_is_named_and_cancelled(start):
    server = start("--graceful-timeout", "0.3").serving()
    with connect(server.address) as sock:
        exchange(sock)
        assert server.end() == 0
    found = re.search(r"not drained at the deadline; (interrupting|cancelling) (.*)", server.log)
    assert "echo" in found[2]
    assert "echo_program.py:" in found[2]


def test_a_program_with_a_handler_of_its_own_is_told_by_it(start):
    extra = (
        "asyncio.get_running_loop().add_signal_handler("
        "signal.SIGTERM, lambda: (print('told', file=sys.stderr), server.close()))"
    )
    server = start("--idle-grace", "0.1", extra=extra, workers=1).serving()
    with connect(server.address) as sock:
        exchange(sock)
        server.send(signal.SIGTERM)
        server.logged("told")
    assert server.ended() == 0


def test_ctrl_c_to_all_processes_is_no_news(serve, tmp_path):
    path = tmp_path / "echo_program.py"
    path.write_text(ECHO.format(extra="pass") + RUN)
    server = serve("--workers", "2", str(path), program=True, wrapper=["setsid"]).serving()
    os.killpg(server.pid, signal.SIGINT)
    assert server.ended() == 0
    assert "WARNING" not in server.log


def test_a_program_that_ends_by_itself_is_started_again(start):
    extra = "await asyncio.sleep(0.5); return"
    server = start(extra=extra, workers=1)
    server.serving()
    server.logged(r"worker 1\.0 \(process \d+\) exited with code 0")
    server.logged(r"worker 1\.0 ready")
    assert server.end() == 0


def test_a_program_that_raises_shows_where_and_is_started_again(start):
    server = start(extra="await asyncio.sleep(0.5); 1 / 0", workers=1).serving()
    server.logged("ZeroDivisionError")
    server.logged(r"exited with code 1")
    server.logged(r"worker 1\.0 ready")
    assert server.end() == 0


def test_a_worker_is_gone_when_its_master_was_killed(start):
    server = start("--graceful-timeout", "1").serving()
    workers = server.worker_pids(1)
    server.end(signal.SIGKILL)
    wait_gone(*workers)


def test_one_worker_told_by_hand_drains_and_is_replaced(start):
    server = start(workers=2).serving()
    os.kill(server.worker_pids(1)[0], signal.SIGTERM)
    server.logged(r"worker 1\.\d .*drains without order; respawning")
    server.logged(r"worker 1\.\d ready")
    assert server.end() == 0


def test_a_program_that_raises_right_after_it_listened_ends_the_master(start):
    server = start(extra="1 / 0")
    assert server.ended() == 7
    assert "raised ZeroDivisionError: division by zero before it served" in server.log
    assert "serving " not in server.log


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pass", "ended before it served; a program that does not listen needs --ready-on start"),
        ("1 / 0", "raised ZeroDivisionError: division by zero before it served"),
        ("import sys; sys.exit('no database')", "script.py ended before it served: no database\n"),
        ("import sys; sys.exit(3)", "script.py ended before it served: exit code 3\n"),
        ("def (", "raised SyntaxError: "),
    ],
)
def test_a_script_that_does_not_get_to_listening_ends_the_master(serve, tmp_path, text, words):
    script = tmp_path / "script.py"
    script.write_text(text)
    server = serve(str(script), program=True)
    assert server.ended() == 7
    assert words in server.log
    assert "ngxloop/serving" not in server.log


def test_a_script_that_is_not_there_is_one_line(serve, tmp_path):
    server = serve(str(tmp_path / "none.py"), program=True)
    assert server.ended() == 3
    assert "there is no script" in server.log
    assert "Traceback" not in server.log


def test_a_script_that_serves_nobody_is_ready_when_it_starts(serve, tmp_path):
    script = tmp_path / "consumer.py"
    script.write_text(
        "import signal, sys\nassert __name__ == '__main__' and sys.argv[1:] == ['--queue', 'x']\n"
        "print(__file__, file=sys.stderr, flush=True)\nsignal.pause()\n"
    )
    options = ("-w", "2", "--ready-on", "start")
    server = serve(*options, str(script), "--queue", "x", program=True).serving()
    server.logged(re.escape(str(script)))
    assert server.end() == 0


@pytest.mark.parametrize("argument", ["auto", "uvloop"])
def test_another_event_loop_is_told_plainly_and_shares_the_port(serve, argument):
    pytest.importorskip("uvloop")
    script = str(PROGRAMS / "uvicorn_run.py")
    server = serve("-w", "2", script, own_host(), "0", argument, program=True).serving()
    assert "runs on uvloop.Loop and not on ngxloop" in server.log
    with Load(ask_http, server.address).running() as load:
        load.wait_for_answers(20)
    assert load.failures == []
    assert len(server.addresses) == 1
    assert server.end() == 0


def test_what_a_program_writes_after_a_reopening_is_in_the_new_log(start, tmp_path):
    log, old = tmp_path / "error.log", tmp_path / "error.log.1"
    server = start("--error-log", str(log), workers=1)
    wait_until_blocking(lambda: log.exists() and " serving " in log.read_text(), "the start")
    log.rename(old)
    server.send(signal.SIGUSR1)
    wait_until_blocking(log.exists, "the new log")
    (pid,) = re.findall(r"worker 1\.0 ready \(process (\d+)\)", old.read_text())

    def is_reopened():
        return os.path.samefile(f"/proc/{pid}/fd/2", log)

    wait_until_blocking(is_reopened, "the worker's standard error")
    assert server.end() == 0


WAITING = """\
import os, signal, socket, sys, threading

def serve():
    while True:
        sock.accept()[0].sendall(b"%d\\n" % os.getpid())

def tell(*_):
    print("told", file=sys.stderr, flush=True)

signal.signal(signal.SIGUSR2, tell)
sock = socket.create_server(("{host}", 0))
threading.Thread(target=serve, daemon=True).start()
while True:
    signal.pause()
    print("woken", file=sys.stderr, flush=True)
"""


@pytest.fixture
def start_waiting(serve, tmp_path):
    """Start a program that waits in signal.pause(), and waits again."""

    def start(workers):
        script = tmp_path / "waiting.py"
        script.write_text(WAITING.format(host=own_host()))
        server = serve("-w", str(workers), str(script), program=True).serving()
        for pid in server.worker_pids(1):
            wait_until_blocking(lambda pid=pid: is_pausing(pid), "signal.pause()")
        return server

    return start


def is_pausing(pid):
    """Say whether the main thread of a process waits in signal.pause(), pause(2) or our pipe.

    Where /proc hides what a thread waits for, a thread that sleeps is taken for one that does.
    """
    main_thread = Path(f"/proc/{pid}/task/{pid}")
    where = (main_thread / "wchan").read_text()
    if where != "0":
        return "pipe_read" in where or "pause" in where
    return (main_thread / "stat").read_text().rpartition(")")[2].split()[0] == "S"


def test_a_program_that_waits_for_a_signal_is_not_ended_by_those_of_ours(start_waiting):
    server = start_waiting(workers=2)
    killed, other = server.worker_pids(1)
    os.kill(killed, signal.SIGKILL)  # all others are told to look
    server.logged(r"worker 1\.\d ready")
    server.caught_up()
    os.kill(other, signal.SIGUSR2)
    server.logged("woken")
    assert server.log.index("told") < server.log.index("woken")
    assert server.end() == 0


def test_a_program_is_woken_by_a_signal_that_comes_together_with_one_of_ours(start_waiting):
    server = start_waiting(workers=1)
    (pid,) = server.worker_pids(1)
    for _ in range(3):
        wait_until_blocking(lambda: is_pausing(pid), "signal.pause()")
        os.kill(pid, signal.SIGSTOP)  # both are there when it goes on
        os.kill(pid, signal.SIGUSR2)
        os.kill(pid, signal.SIGURG)
        os.kill(pid, signal.SIGCONT)
        server.logged("told")
        server.logged("woken")
    assert server.end() == 0
