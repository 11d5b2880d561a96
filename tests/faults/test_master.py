"""The master and its status process: once they serve, a failing call does no harm that lasts."""

import errno
import os
import signal
import time

import pytest

from tests.faults.injection import Rule
from tests.faults.master import Master, disturb
from tests.faults.running import LONG
from tests.serving.conftest import serve  # noqa: F401 - a fixture
from tests.serving.support import DEADLINE, connect, receive_line
from tests.support.waiting import wait_until_blocking

# "ACTION CALL:ERRNO:N": one combination by hand, as the failure message names it.
ONLY = os.environ.get("FAULTS_ONLY", "").split()

SESSION = (
    *("accept4:EMFILE", "accept4:ENOMEM", "accept4:ECONNABORTED", "accept4:EINTR"),
    *("epoll_ctl_add:ENOMEM", "epoll_ctl_add:ENOSPC", "epoll_ctl_mod:ENOMEM"),
    *("epoll_ctl_del:ENOMEM", "recvmsg:ECONNRESET", "recvmsg:ENOMEM", "recvmsg:EINTR"),
    *("send:EPIPE", "send:ENOBUFS", "send:EINTR", "send:short", "shutdown:ENOTCONN"),
    "epoll_wait:EINTR",
)
# The status process asks the master for a report: all that is left of a session to the master.
REPORT = (
    *("recvmsg:ECONNRESET", "recvmsg:ENOMEM", "recvmsg:EINTR", "send:EPIPE", "send:ENOBUFS"),
    *("send:EINTR", "epoll_ctl_add:ENOMEM", "epoll_ctl_add:ENOSPC", "epoll_ctl_del:ENOMEM"),
    "epoll_wait:EINTR",
)
# A process is started: these cost a second each, so the suite tries one error of each call.
FORKING = ("fork:EAGAIN", "socketpair:EMFILE", "epoll_ctl_add:ENOMEM", "recvmsg:ENOMEM")
FORKING_MORE = ("fork:ENOMEM", "socketpair:ENOMEM", "recvmsg:ECONNRESET", "epoll_wait:EINTR")
FAULTS = {
    "ask_status": SESSION,
    "report": REPORT,
    "ask_control": SESSION,
    "respawn": FORKING + LONG * FORKING_MORE,
    "reload": (*FORKING, *LONG * (*FORKING_MORE, "sendmsg:ENOBUFS")),
    "upgrade": ("fork:EAGAIN", "pipe2:EMFILE", "epoll_ctl_add:ENOMEM"),
}
DEPTH = 50 if LONG else 2
FOREVER = 2**64 - 1


@pytest.mark.timeout(600)
@pytest.mark.parametrize("action", FAULTS)
def test_fault_in_master_is_contained(serve, board, tmp_path, action):  # noqa: F811
    faults = list(FAULTS[action])
    if ONLY:
        faults = [fault for name, fault in [ONLY] if name == action] or pytest.skip("not asked for")
    made = []

    def make():
        made.append(None)
        return Master(serve, board, tmp_path / f"control{len(made)}")

    wrong = disturb(make, action, faults, DEPTH)
    assert not wrong, "\n".join(wrong)


def test_worker_that_serves_before_master_knows_is_drained(serve, board):  # noqa: F811
    server = serve("plain:Echo", "--workers", "1", "--log-level", "debug").serving()
    old_pid = server.worker_pids(1)[0]
    with board.armed(Rule("recvmsg", errno.EAGAIN, last=FOREVER, pid=server.pid)):
        server.send(signal.SIGHUP)
        sock = connection_to_other(server, old_pid)
        server.send(signal.SIGTERM)
        server.logged(r"worker 2\.0\[\d+\] (draining|stopped)")
    with sock:
        sock.sendall(b"still there\n")
        assert receive_line(sock) == b"still there\n"
    assert server.ended() == 0
    assert "did not exit in time" not in server.log


@pytest.mark.parametrize("error", ["EACCES", "EMFILE", "ENOSPC", "EROFS"])
def test_log_that_cannot_be_opened_again_is_written_on(serve, board, tmp_path, error):  # noqa: F811
    log = tmp_path / "error.log"
    server = serve("plain:Echo", "--workers", "1", f"--error-log={log}")
    wait_until_blocking(lambda: log.exists() and "serving" in log.read_text())
    rule = Rule("open", getattr(errno, error), argument=os.O_APPEND, argument_mask=os.O_APPEND)
    with board.armed(rule):
        server.send(signal.SIGUSR1)
        wait_until_blocking(lambda: "still writing to the old file" in log.read_text())
    assert board.hits() == 1
    assert server.end() == 0
    assert "ended" in log.read_text()


@pytest.mark.parametrize("error", ["EACCES", "EMFILE", "ENOSPC", "EROFS"])
def test_configuration_that_cannot_be_read_again_fails_reload(serve, board, tmp_path, error):  # noqa: F811
    config = tmp_path / "serve.toml"
    config.write_text("workers = 1\n")
    server = serve("plain:Echo", "--config", str(config)).serving()
    with board.armed(Rule("open", getattr(errno, error), last=FOREVER, pid=server.pid)):
        server.send(signal.SIGHUP)
        server.logged("reload failed: generation 1 goes on serving")
    assert board.hits()
    assert "Traceback" not in server.log
    with connect(server.address) as sock:
        assert receive_line(sock)
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves")


def connection_to_other(server, pid):
    """Return a connection to a worker that is not the given one."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        sock = connect(server.address)
        if int(receive_line(sock)) != pid:
            return sock
        sock.close()
    raise AssertionError(f"all connections go to {pid}")
