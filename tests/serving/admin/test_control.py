"""The control socket, and `ngxloop-serve ctl`, which speaks to it or sends signals."""

import json
import os
import re
import signal
import socket
import stat

import pytest

from ngxloop.serving.admin.requestserver import CONNECTION_COUNT, CONNECTION_SECONDS
from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import (
    DEADLINE,
    can_refuse_descriptors,
    command,
    connect,
    receive_line,
    run_to_end,
    wait_gone,
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "ctl.sock")


def ctl(*arguments, cwd=None):
    return run_to_end(command("ctl", *arguments), cwd=cwd)


def done(*arguments):
    result = ctl(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def status(path):
    return json.loads(done("--control-socket", path, "status", "--json"))


def ask(path, line):
    with connect(path) as sock:
        sock.sendall(line)
        return json.loads(receive_line(sock))


def send_for_ever(sock):
    while True:
        sock.sendall(b"x" * 1000)


def test_only_our_user_may_connect_and_the_file_goes_with_the_master(serve, path):
    server = serve("plain:Echo", "--control-socket", path).serving()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert server.end() == 0
    assert not os.path.exists(path)


@pytest.mark.skipif(not can_refuse_descriptors(), reason="Linux 6.16 is the first that can")
def test_descriptor_from_a_client_stays_with_it(serve, path):
    server = serve("plain:Echo", "--control-socket", path).serving()
    with connect(path) as client, pytest.raises(PermissionError):
        socket.send_fds(client, [b'{"command": "status"}\n'], [client.fileno()])
    assert status(path)["pid"] == server.pid


def test_status_says_how_things_are(serve, path):
    server = serve("plain:Echo", "--workers", "2", "--control-socket", path).serving()
    with connect(server.address) as sock:
        home = int(receive_line(sock))
        told = status(path)
    assert (told["pid"], told["state"], told["ready"]) == (server.pid, "serving", True)
    assert {one["pid"] for one in told["workers"]} == set(server.worker_pids(1))
    assert [one["state"] for one in told["workers"]] == ["ready", "ready"]
    (one,) = [one for one in told["workers"] if one["pid"] == home]
    assert (one["connections"], one["accepted"], one["respawns"]) == (1, 1, 0)
    assert one["rss"] > 2**20
    assert told["totals"]["connections"] == 1


def test_status_as_a_table_has_a_line_for_each_worker(serve, path):
    server = serve("plain:Echo", "--workers", "2", "--control-socket", path).serving()
    lines = done("--control-socket", path, "status").splitlines()
    assert lines[0].startswith(f"master {server.pid}: serving, generation 1, 2 workers, up ")
    assert lines[1].startswith(f"listening on {server.addresses[0]}: 0 of ")
    assert len(lines) == 6
    for pid in server.worker_pids(1):
        assert any(re.search(rf"\b{pid}\b", line) for line in lines[4:])


@pytest.mark.complaint(12)
def test_status_says_why_a_worker_ended(serve, path):
    server = serve("plain:Echo", "--control-socket", path).serving()
    os.kill(server.worker_pids(1)[0], signal.SIGKILL)
    server.logged(r"was killed by SIGKILL")
    server.logged(r"worker 1\.0 ready")
    (worker,) = status(path)["workers"]
    assert (worker["respawns"], worker["last_exit"]) == (1, "was killed by SIGKILL")


@pytest.mark.complaint(23)
def test_status_tells_length_and_limit_of_the_accept_queue(serve, path):
    server = serve("plain:Echo", "--control-socket", path, "--backlog", "7").serving()
    os.kill(server.worker_pids(1)[0], signal.SIGSTOP)
    clients = [socket.create_connection(server.address) for _ in range(3)]
    (listener,) = status(path)["listeners"]
    assert (listener["queue"], listener["limit"]) == (3, 7)
    for client in clients:
        client.close()


@pytest.mark.complaint(23)
def test_queue_that_fills_is_told_in_the_log_once(serve):
    server = serve("plain:Echo", "--backlog", "4").serving()
    os.kill(server.worker_pids(1)[0], signal.SIGSTOP)
    clients = [socket.create_connection(server.address) for _ in range(4)]
    server.logged(rf"accept queue of {server.addresses[0]}: [34] of 4 wait")
    server.end(signal.SIGKILL)
    assert server.log.count("accept queue of") == 1
    for client in clients:
        client.close()


def test_reload_waits_for_its_result(serve, path, tmp_path):
    module = tmp_path / "site_app.py"
    module.write_text("import asyncio\nclass App(asyncio.Protocol): pass\n")
    options = ["--app-dir", str(tmp_path), "--control-socket", path]
    server = serve("site_app:App", *options).serving()
    done("--control-socket", path, "reload")
    server.logged("reloaded: generation 2")
    module.write_text("1 / 0\n")
    result = ctl("--control-socket", path, "reload")
    assert result.returncode == ExitCode.NOT_DONE
    assert "ZeroDivisionError" in result.stderr
    assert status(path)["generation"] == 2


def test_scale_and_quit(serve, path):
    server = serve("plain:Echo", "--control-socket", path).serving()
    done("--control-socket", path, "scale", "3")
    assert [one["state"] for one in status(path)["workers"]] == ["ready"] * 3
    result = ctl("--control-socket", path, "scale", "5000")
    assert result.returncode == ExitCode.NOT_DONE
    assert "cannot have 5000 workers" in result.stderr
    done("--control-socket", path, "quit")
    assert server.ended() == 0


def test_scale_that_fails_says_why(serve, path, tmp_path):
    module = tmp_path / "site_app.py"
    module.write_text("import asyncio\nclass App(asyncio.Protocol): pass\n")
    options = ["--app-dir", str(tmp_path), "--control-socket", path]
    serve("site_app:App", *options).serving()
    module.write_text("1 / 0\n")
    result = ctl("--control-socket", path, "scale", "2")
    assert result.returncode == ExitCode.NOT_DONE
    assert "ZeroDivisionError" in result.stderr


def test_upgrade_that_fails_says_why(serve, path, tmp_path):
    module = tmp_path / "site_app.py"
    module.write_text("import asyncio\nclass App(asyncio.Protocol): pass\n")
    options = ["--app-dir", str(tmp_path), "--control-socket", path]
    serve("site_app:App", *options).serving()
    module.write_text("1 / 0\n")
    result = ctl("--control-socket", path, "upgrade")
    assert result.returncode == ExitCode.NOT_DONE
    assert re.search(r"the new master \(process \d+\) exited with code 6", result.stderr)
    assert status(path)["ready"]


def test_outcome_that_does_not_come_in_time_is_no_success(serve, path, tmp_path):
    module = tmp_path / "site_app.py"
    module.write_text("import asyncio\nclass App(asyncio.Protocol): pass\n")
    options = ["--app-dir", str(tmp_path), "--control-socket", path]
    serve("site_app:App", *options).serving()
    module.write_text("import time\ntime.sleep(1000)\n")
    result = ctl("--control-socket", path, "reload", "--timeout", "0.2")
    assert result.returncode == ExitCode.NOT_DONE
    assert "not complete after 0.2 s" in result.stderr
    assert status(path)["state"] == "reloading"


def test_master_is_found_while_a_new_one_starts(serve, path):
    serve("plain:Echo", "--control-socket", path).serving()
    os.rename(path, f"{path}.oldbin")
    assert status(path)["ready"]
    os.rename(f"{path}.oldbin", path)


def test_stop_does_not_wait(serve, path):
    server = serve("plain:hang", "--control-socket", path).serving()
    with connect(server.address) as sock:
        receive_line(sock)
        done("--control-socket", path, "stop")
        assert server.ended() == 0


def test_upgrade_takes_the_control_socket_along(serve, path):
    server = serve("plain:Echo", "--control-socket", path).serving()
    done("--control-socket", path, "upgrade")
    assert status(path)["ready"]  # of the new one
    new = int(server.logged(r"the new master \(process (\d+)\) serves").group(1))
    assert status(path)["pid"] == new
    assert status(f"{path}.oldbin")["successor"] == new
    done("--control-socket", path, "quit")
    server.logged("this one continues")
    assert status(path)["pid"] == server.pid
    assert not os.path.exists(f"{path}.oldbin")
    wait_gone(new)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"hello\n", "not a command"),
        (b"[]\n", "not a command"),
        (b"1\n", "not a command"),
        (b'{"command": "fly"}\n', "unknown command 'fly'; there are stop, quit"),
        (b'{"command": []}\n', "unknown command []"),
        (b'{"command": "scale"}\n', "is not a number"),
        (b'{"command": "scale", "count": "4"}\n', "is not a number"),
        (b"\xff\xfe\n", "not a command"),
    ],
)
def test_nonsense_is_answered_with_why(serve, path, line, words):
    serve("plain:Echo", "--control-socket", path).serving()
    answer = ask(path, line)
    assert answer["ok"] is False
    assert words in answer["error"]


def test_question_that_never_ends_is_cut_off(serve, path):
    serve("plain:Echo", "--control-socket", path).serving()
    with connect(path) as sock, pytest.raises((BrokenPipeError, ConnectionResetError)):
        send_for_ever(sock)


def test_clients_that_say_nothing_do_not_hold_the_master_up(serve, path):
    server = serve("plain:Echo", "--control-socket", path).serving()
    silent = [connect(path) for _ in range(CONNECTION_COUNT)]
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2")
    assert status(path)["generation"] == 2  # after CONNECTION_SECONDS there is room
    for sock in silent:
        assert sock.recv(1) == b""
        sock.close()
    assert CONNECTION_SECONDS < DEADLINE


def test_socket_of_a_living_master_is_refused_and_of_a_dead_one_replaced(serve, path):
    first = serve("plain:Echo", "--control-socket", path).serving()
    second = serve("plain:Echo", "--control-socket", path)
    assert second.ended() == ExitCode.BAD_ADDRESS
    assert "cannot open the control socket" in second.log
    first.end(signal.SIGKILL)
    wait_gone(*first.worker_pids(1))
    serve("plain:Echo", "--control-socket", path).serving()
    assert status(path)["state"] == "serving"


def test_pid_file_serves_where_there_is_no_control_socket(serve, tmp_path):
    pidfile = str(tmp_path / "app.pid")
    server = serve("plain:hang", "--pidfile", pidfile).serving()
    assert "see the master's log" in done("--pidfile", pidfile, "reload")
    server.logged("reloaded: generation 2")
    result = ctl("--pidfile", pidfile, "status")
    assert (result.returncode, "needs the control socket" in result.stderr) == (13, True)
    with connect(server.address) as sock:
        receive_line(sock)
        assert done("--pidfile", pidfile, "stop") == ""
        assert server.ended() == 0
    result = ctl("--pidfile", pidfile, "quit")
    assert result.returncode == ExitCode.NOT_DONE
    assert "no such master is running" in result.stderr


def test_pid_file_that_names_a_stranger_signals_nobody(tmp_path):
    pidfile = tmp_path / "app.pid"
    pidfile.write_text(f"{os.getpid()}\n")
    result = ctl("--pidfile", str(pidfile), "stop")
    assert result.returncode == ExitCode.NOT_DONE
    assert "no process holds the pid file" in result.stderr


def test_configuration_file_says_where_the_master_is(serve, path, tmp_path):
    (tmp_path / "ngxloop.toml").write_text(f"control-socket = '{path}'\nsignals = 'nginx'\n")
    server = serve("plain:Echo", "--config", str(tmp_path / "ngxloop.toml")).serving()
    result = ctl("status", "--json", cwd=tmp_path)
    assert json.loads(result.stdout)["pid"] == server.pid


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "required: COMMAND"),
        (["fly"], 2, "invalid choice: 'fly'"),
        (["scale"], 2, "required: N"),
        (["scale", "many"], 2, "'many' is not a number of workers"),
        (["status"], 13, "give the --control-socket or --pidfile"),
        (["--control-socket", "/no/such", "status"], 13, "there is no control socket /no/such"),
        (["status", "--control-socket", "/no/such"], 13, "there is no control socket /no/such"),
        (["--pidfile", "/no/such", "quit"], 13, "/no/such: no such master is running"),
    ],
)
def test_wrong_use_is_one_line(arguments, code, words, tmp_path, monkeypatch):
    monkeypatch.setenv("NGXLOOP_RUNTIME_DIR", str(tmp_path))  # where no other test has a server
    result = ctl(*arguments, cwd=tmp_path)
    assert result.returncode == code
    (line,) = result.stderr.splitlines()
    assert line.startswith("ngxloop-serve: ctl")
    assert words in line
