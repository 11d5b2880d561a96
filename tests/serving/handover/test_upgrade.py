"""USR2 starts a new master on the same sockets; whichever of the two is left goes on alone."""

import asyncio
import os
import re
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from tests.serving.load import Load
from tests.serving.support import APPS, Server, children, connect, http_get, receive_line, wait_gone
from tests.support.addresses import free_bind
from tests.support.waiting import wait_until_blocking

UPGRADE_COUNT = 10 if os.environ.get("NGXLOOP_FULL_COUNTS") else 2


def upgrade(server, pid=None):
    """Upgrade a master, and return the process id of the new one."""
    os.kill(pid or server.pid, signal.SIGUSR2)
    return int(server.logged(r"the new master \(process (\d+)\) serves").group(1))


def end(pid, number=signal.SIGQUIT):
    """End a master that need not be our child."""
    os.kill(pid, number)
    wait_gone(pid)


def pid_in(path):
    return int(Path(path).read_text())


@pytest.mark.complaint(6)
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "unix:{}/a", "fd://{}"], ids=["tcp", "unix", "fd"]
)
async def test_upgrade_under_load_fails_no_request(serve, tmp_path, address):
    listener = socket.create_server(("127.0.0.1", 0))
    address = address.format(listener.fileno() if "fd" in address else tmp_path)
    options = ["--workers", "2", "--bind", address]
    server = serve("web_asgi:app", *options, pass_fds=[listener.fileno()])
    listener.close()
    await asyncio.to_thread(server.serving)
    url, path = (
        (server.url, None)
        if ":/" not in address or "fd" in address
        else ("http://x", f"{tmp_path}/a")
    )
    pid = server.pid
    async with Load(url, fresh_count=2, kept_count=2, path=path).running() as load:
        for _ in range(UPGRADE_COUNT):
            new = await asyncio.to_thread(upgrade, server, pid)
            await load.answered(
                [int(one) for one in re.findall(r"ready \(process (\d+)\)", server.log)[-2:]]
            )
            await asyncio.to_thread(end, pid)
            await load.answered_more(20)
            pid = new
    assert load.failures == []
    await asyncio.to_thread(end, pid)


def test_upgrade_keeps_the_number_of_workers(serve, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("workers = 1\n")
    server = serve("plain:Echo", "--config", str(config)).serving()
    server.send(signal.SIGTTIN)
    server.logged(r"worker 1\.1 ready")
    new = upgrade(server)
    assert len(children(new)) == 2
    end(new)
    config.write_text("workers = 3\n")
    server.logged("has exited on request; this one continues")
    new = upgrade(server)
    assert len(children(new)) == 3
    end(new)


def test_old_master_may_end_before_the_new_one_has_begun(serve):
    server = serve("web_asgi:app").serving()
    server.send(signal.SIGUSR2)
    new = int(server.logged(r"new master started, process (\d+)").group(1))
    os.kill(new, signal.SIGSTOP)
    assert server.end(signal.SIGTERM) == 0
    os.kill(new, signal.SIGCONT)
    server.logged(rf"the old master \(process {server.pid}\) has ended")
    server.logged(rf"master\[{new}\] serving web_asgi:app")
    assert http_get(server.address)[0] == 200
    end(new)


def test_upgrade_renames_the_pid_file_and_both_have_one(serve, tmp_path):
    path = tmp_path / "app.pid"
    server = serve("web_asgi:app", "--pidfile", str(path)).serving()
    new = upgrade(server)
    assert (pid_in(path), pid_in(f"{path}.oldbin")) == (new, server.pid)
    assert server.end(signal.SIGQUIT) == 0
    assert [one.name for one in tmp_path.iterdir()] == ["app.pid"]
    assert http_get(server.address)[0] == 200
    end(new)
    assert list(tmp_path.iterdir()) == []


def test_new_master_that_is_ended_leaves_all_as_it_was(serve, tmp_path):
    pidfile, unix = tmp_path / "app.pid", tmp_path / "a.sock"
    options = ["--pidfile", str(pidfile), "--bind", f"unix:{unix}"]
    server = serve("web_asgi:app", *options).serving()
    end(upgrade(server))
    server.logged("this one continues")
    assert pid_in(pidfile) == server.pid
    assert http_get(str(unix))[0] == 200
    second = upgrade(server)  # and it can be tried again
    assert server.end() == 0
    assert http_get(str(unix))[0] == 200
    end(second)
    assert list(tmp_path.iterdir()) == []


def test_readiness_has_no_gap_in_an_upgrade_nor_when_it_is_taken_back(serve):
    server = serve("web_asgi:app", "--status-bind", free_bind()).serving()
    host, _, port = server.status_address.rpartition(":")
    codes: list[int] = []
    is_over = threading.Event()

    def probe() -> None:
        while not is_over.is_set():
            codes.append(http_get((host, int(port)), "/readyz")[0])

    prober = threading.Thread(target=probe)
    prober.start()
    try:
        end(upgrade(server))
        server.logged("this one continues")
        new = upgrade(server)
        assert server.end(signal.SIGQUIT) == 0
        seen = len(codes)
        wait_until_blocking(lambda: len(codes) > seen + 5, "the new master to answer")
    finally:
        is_over.set()
        prober.join()
    assert set(codes) == {200}
    end(new)


def test_rested_master_serves_again_when_the_new_one_dies(serve):
    server = serve("plain:Echo", "--workers", "2").serving()
    new = upgrade(server)
    server.send(signal.SIGWINCH)
    server.logged("resting")
    wait_gone(*server.worker_pids(1)[:2])
    os.kill(new, signal.SIGKILL)
    server.logged("this one continues")
    server.logged(r"reloaded|worker 2\.1 ready")
    with connect(server.address) as sock:
        assert receive_line(sock)


def test_hup_brings_the_workers_of_the_old_master_back(serve):
    server = serve("plain:Echo").serving()
    new = upgrade(server)
    server.send(signal.SIGWINCH)
    server.logged("resting")
    server.send(signal.SIGHUP)
    server.logged(r"worker 2\.0 ready")
    end(new)
    server.logged("this one continues")
    with connect(server.address) as sock:
        assert receive_line(sock)


def test_program_that_fails_changes_nothing(serve, tmp_path):
    path = tmp_path / "site_app.py"
    good = "import asyncio\nclass App(asyncio.Protocol): pass\n"
    path.write_text(good)
    pidfile, unix = tmp_path / "app.pid", tmp_path / "a.sock"
    options = ["--app-dir", str(tmp_path), "--pidfile", str(pidfile), "--bind", f"unix:{unix}"]
    server = serve("site_app:App", *options).serving()
    path.write_text("1 / 0\n")
    server.send(signal.SIGUSR2)
    server.logged("exited with code 6; this one continues")
    assert pid_in(pidfile) == server.pid
    connect(str(unix)).close()
    path.write_text(good)
    end(upgrade(server))


def test_second_upgrade_is_refused_while_two_masters_run(serve):
    server = serve("web_asgi:app").serving()
    new = upgrade(server)
    server.send(signal.SIGUSR2)
    server.logged(rf"no upgrade: a new master is already running \(process {new}\)")
    os.kill(new, signal.SIGUSR2)
    server.logged(rf"no upgrade: the old master is still running \(process {server.pid}\)")
    assert server.end() == 0
    newest = upgrade(server, new)
    end(new)
    end(newest)


def test_auto_upgrade_ends_the_old_master(serve):
    server = serve("web_asgi:app", "--auto-upgrade").serving()
    new = upgrade(server)
    assert server.ended() == 0
    assert http_get(server.address)[0] == 200
    end(new)


def test_upgrade_works_for_the_console_script(tmp_path):
    """As pip makes it: a small program beside the interpreter of the environment."""
    script = tmp_path / "ngxloop-serve"
    script.write_text(
        f"#!{sys.executable}\nimport sys\nfrom ngxloop.cli import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    arguments = ["web_asgi:app", "--app-dir", str(APPS), "--bind", "127.0.0.1:0"]
    server = Server(arguments, program=[str(script)])
    try:
        server.serving()
        new = upgrade(server)
        assert server.end() == 0
        assert http_get(server.address)[0] == 200
        end(new)
    finally:
        server.close()


def test_sockets_that_a_program_asked_for_are_inherited(serve):
    server = serve("streams_main:main", "--workers", "2", bind=None).serving()
    new = upgrade(server)
    assert server.end() == 0
    with connect(server.address) as sock:
        assert receive_line(sock)
    end(new)


def test_variable_of_a_stranger_is_ignored(serve):
    values = '{"pid": 1, "ready_fd": 0, "sockets": [["bind", "127.0.0.1:0", 1]]}'
    server = serve("web_asgi:app", wrapper=["env", f"_NGXLOOP_INHERITED={values}"]).serving()
    assert http_get(server.address)[0] == 200
    assert server.end() == 0
