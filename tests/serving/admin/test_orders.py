"""What each signal does to master and workers."""

import contextlib
import os
import re
import signal
import socket

import pytest

from ngxloop.serving.admin.orders import SIGNAL_ORDERS, Order
from ngxloop.serving.options.master import SIGNAL_MAPS
from ngxloop.serving.process.channel import channel_pair
from ngxloop.serving.process.message import MessageKind
from ngxloop.serving.process.signals import MASTER_SIGNALS
from tests.serving.support import connect, end_with_a_connection, http_get, receive_line, wait_gone


@pytest.mark.parametrize("name", SIGNAL_MAPS)
def test_every_signal_of_the_master_but_the_childrens_is_an_order(name):
    assert SIGNAL_ORDERS[name].keys() == set(MASTER_SIGNALS) - {signal.SIGCHLD}
    assert set(SIGNAL_ORDERS["nginx"].values()) == set(Order)


def test_ttin_and_ttou_are_one_worker_more_and_less(serve):
    server = serve("plain:Echo", "--workers", "2").serving()
    server.send(signal.SIGTTIN)
    third = int(server.logged(r"worker 1\.2 ready \(process (\d+)\)").group(1))
    server.send(signal.SIGTTOU)
    server.logged("scaling from 3 to 2 workers")
    wait_gone(third)
    server.send(signal.SIGTTOU)
    server.logged("scaling from 2 to 1 workers")
    wait_gone(pid_of(server, "1.1"))
    server.send(signal.SIGTTOU)
    server.logged("cannot have 0 workers; give 1 to 8")
    with connect(server.address) as sock:
        assert int(receive_line(sock)) == pid_of(server, "1.0")


def pid_of(server, name):
    return int(re.findall(rf"worker {name} ready \(process (\d+)\)", server.log)[-1])


def test_scale_holds_over_a_reload(serve):
    server = serve("plain:Echo").serving()
    server.send(signal.SIGTTIN)
    server.logged(r"worker 1\.1 ready")
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves")
    assert len(server.worker_pids(2)) == 2


def test_ttin_during_a_reload_counts_for_both_generations(serve):
    server = serve("plain:Echo", "--log-level", "debug").serving()
    server.send(signal.SIGHUP)
    server.logged("worker 2.0 started")
    server.send(signal.SIGTTIN)
    server.logged(r"worker 2\.1 ready")


def test_winch_drains_the_workers_and_hup_brings_new_ones(serve):
    server = serve("plain:echo", "--workers", "2").serving()
    with connect(server.address) as sock:
        receive_line(sock)
        server.send(signal.SIGWINCH)
        server.logged("resting: workers drain")
        sock.sendall(b"still there\n")
        assert receive_line(sock) == b"still there\n"
    wait_gone(*server.worker_pids(1))
    with connect(server.address) as sock:  # waits in the queue
        server.send(signal.SIGHUP)
        assert int(receive_line(sock)) > 0
    server.logged(r"worker 2\.1 ready")
    assert server.end() == 0


def test_workers_come_back_from_a_rest_though_one_was_killed_as_it_started(serve):
    server = serve("plain:Echo", "--workers", "2", "--log-level", "debug").serving()
    server.send(signal.SIGWINCH)
    server.logged("resting: workers drain")
    server.send(signal.SIGHUP)
    os.kill(int(server.logged(r"worker 2\.1 started, process (\d+)").group(1)), signal.SIGKILL)
    server.logged("reload failed: no workers serve; it is tried again in 1 s")
    server.logged(r"worker [34]\.1 ready")  # an order has been given once
    with connect(server.address) as sock:
        assert int(receive_line(sock)) > 0
    assert server.end() == 0


def test_winch_in_a_reload_takes_it_back(serve):
    server = serve("plain:Echo", "--log-level", "debug").serving()
    server.send(signal.SIGHUP)
    new = int(server.logged(r"worker 2\.0 started, process (\d+)").group(1))
    os.kill(new, signal.SIGSTOP)
    server.send(signal.SIGWINCH)
    server.logged("resting: workers drain")
    os.kill(new, signal.SIGCONT)
    wait_gone(new, *server.worker_pids(1))
    server.send(signal.SIGHUP)
    server.logged(r"worker \d+\.0 ready")
    assert server.end() == 0


def test_worker_that_is_often_told_to_reopen_and_reads_nothing_goes_on(serve):
    server = serve("plain:Echo", "--hang-timeout", "0").serving()
    (worker,) = server.worker_pids(1)
    os.kill(worker, signal.SIGSTOP)
    for _ in range(messages_in_a_channel() + 3):
        server.caught_up()
    os.kill(worker, signal.SIGCONT)
    for _ in range(20):
        with connect(server.address) as sock:
            assert int(receive_line(sock)) == worker
    server.caught_up()
    assert "is replaced" not in server.log
    assert server.end() == 0


def messages_in_a_channel():
    """Return how many short messages fit into a channel that nobody reads."""
    ours, theirs = channel_pair()
    count = 0
    while ours.send(MessageKind.REOPEN):
        count += 1
    ours.close()
    theirs.close()
    return count


def test_winch_on_a_terminal_means_its_size(serve):
    ours, theirs = os.openpty()
    server = serve("plain:Echo", stdin=theirs).serving()
    server.send(signal.SIGWINCH)
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves, 1 drains")
    assert "resting" not in server.log
    for fd in (ours, theirs):
        os.close(fd)


@pytest.mark.complaint(10)
def test_term_in_nginxs_way_ends_at_once(serve):
    server = serve("plain:hang", "--signals", "nginx").serving()
    with connect(server.address) as sock:
        receive_line(sock)
        assert server.end(signal.SIGTERM) == 0
    assert "handler cancelled" in server.log


def test_quit_in_nginxs_way_waits_for_as_long_as_it_takes(serve):
    server = serve("plain:echo", "--signals", "nginx", "--graceful-timeout", "0").serving()
    with connect(server.address) as sock:
        receive_line(sock)
        server.send(signal.SIGQUIT)
        server.logged("as long as it takes")
        sock.sendall(b"still there\n")
        assert receive_line(sock) == b"still there\n"
        server.send(signal.SIGQUIT)
        sock.sendall(b"still there\n")
        assert receive_line(sock) == b"still there\n"
    assert server.ended() == 0


def test_same_signal_twice_in_a_moment_is_one(serve):
    """As timeout(1) sends it: to its child, and to the group of its child."""
    server = serve("plain:echo", "--log-level", "debug").serving()
    end_with_a_connection(server, signal_count=2)
    assert "at once" not in server.log


@pytest.mark.complaint(7)
def test_drain_delay_goes_on_accepting_before_it_drains(serve):
    server = serve("plain:Echo", "--drain-delay", "5").serving()
    server.send(signal.SIGTERM)
    server.logged("ending: workers go on accepting for 5 s")
    server.send(signal.SIGSTOP)  # a loaded machine has 5 s for this, then all it needs
    with connect(server.address) as sock:
        assert receive_line(sock)
        server.send(signal.SIGCONT)
        server.logged("ending: workers drain")
        with pytest.raises(ConnectionRefusedError):
            until_refused(server.address)
    assert server.ended() == 0


@pytest.mark.complaint(7)
@pytest.mark.parametrize(("app", "bind"), [("plain:Echo", ""), ("streams_main:main", None)])
def test_connections_that_wait_when_the_master_ends_are_served(serve, app, bind):
    server = serve(app, bind=bind).serving()
    (worker,) = server.worker_pids(1)
    os.kill(worker, signal.SIGSTOP)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connect(server.address)) for _ in range(200)]
        server.send(signal.SIGTERM)
        server.logged("ending: workers drain")
        os.kill(worker, signal.SIGCONT)
        for sock in waiting:
            assert receive_line(sock)
    assert server.ended() == 0


def until_refused(address):
    """Connect until that fails: the workers close their copies of the socket in their own time.

    The last copy's end resets a connection that is in the queue by then.
    """
    while True:
        with socket.socket() as sock, contextlib.suppress(ConnectionResetError):
            sock.connect(address)


def test_drain_delay_is_cut_short_by_a_second_signal(serve):
    server = serve("plain:Echo", "--drain-delay", "3000").serving()
    server.send(signal.SIGTERM)
    server.logged("ending: workers go on accepting")
    server.end_now()
    assert server.ended() == 0


def test_worker_that_dies_during_the_drain_delay_is_replaced(serve):
    server = serve("plain:Echo", "--drain-delay", "3000").serving()
    server.send(signal.SIGTERM)
    server.logged("ending: workers go on accepting")
    os.kill(server.worker_pids(1)[0], signal.SIGKILL)
    server.logged(r"worker 1\.0 ready")
    server.end_now()
    assert server.ended() == 0


@pytest.mark.complaint(14)
def test_workers_leave_to_the_master_what_is_the_masters(serve):
    """A `pkill -HUP` by name reaches them too."""
    server = serve("web_asgi:app", "--workers", "2").serving()
    for pid in server.worker_pids(1):
        for number in set(MASTER_SIGNALS) - {signal.SIGTERM, signal.SIGCHLD}:
            os.kill(pid, number)
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves, 1 drains")
    assert "died" not in server.log
    assert "was killed" not in server.log


@pytest.mark.complaint(14)
def test_term_that_kills_a_starting_worker_first_is_no_failed_start(serve):
    """A signal to the process group may reach a worker before its handler, and before us."""
    server = serve("web_asgi:start_forever", "--log-level", "debug")
    pid = int(server.logged(r"worker 1\.0 started, process (\d+)").group(1))
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    server.logged(r"worker 1\.0 started|\[\d+\] stopped")
    assert server.end() == 0


def test_hup_in_the_middle_of_ending_is_ignored(serve):
    server = serve("plain:echo").serving()
    with connect(server.address) as sock:
        receive_line(sock)
        server.send(signal.SIGTERM)
        server.logged("ending: ")
        server.send(signal.SIGHUP)
        server.send(signal.SIGTTIN)
        sock.sendall(b"still there\n")
        assert receive_line(sock) == b"still there\n"
    assert server.ended() == 0
    assert "reloading" not in server.log


@pytest.mark.complaint(14)
def test_signals_after_the_end_do_not_change_the_exit_code(serve):
    server = serve("web_asgi:app").serving()
    server.send(signal.SIGTERM)
    server.logged(r"master\[\d+\] ended")
    server.send(signal.SIGTERM)
    server.send(signal.SIGINT)
    assert server.ended() == 0


def test_reload_after_the_workers_came_back_serves(serve):
    server = serve("web_asgi:app").serving()
    server.send(signal.SIGWINCH)
    server.logged("resting")
    server.send(signal.SIGHUP)
    server.logged("worker 2.0 ready")
    assert http_get(server.address)[0] == 200
