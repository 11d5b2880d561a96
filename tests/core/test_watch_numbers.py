"""FdWatching: fds that were closed, and numbers that came back."""

import contextlib
import os
import socket
import tempfile

import pytest

from tests.core.watching import Receiving, connect, polls_while_idle
from tests.probes.poller import ET, IN, PRI, RDHUP
from tests.support.loops import run_turns
from tests.support.sockets import unix_pair


def test_change_for_closed_fd_is_reported_and_the_loop_goes_on(loop, probe, reports):
    run_turns(loop, 1)
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        loop.add_reader(fd, print)
        loop.add_writer(fd, print)

    run_turns(loop, 2)

    (report,) = reports
    assert report["message"].startswith(f"fd {fd} is no longer watched: <Handle ")
    assert "Bad file descriptor" in str(report["exception"])
    assert probe.slot(fd) is None
    reports.clear()


def test_closed_fd_whose_number_the_signal_pipe_gets_is_forgotten(loop, probe):
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        loop.add_reader(fd, print)

    run_turns(loop, 1)  # the first run opens the pipe

    assert probe.slot(fd).kind == "internal"


def test_closed_fd_whose_number_a_transport_gets_is_forgotten(loop, probe):
    run_turns(loop, 1)
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        loop.add_reader(fd, pytest.fail, "a file that was closed got readable")
    with unix_pair() as (ours, peer):
        assert ours.fileno() == fd
        transport, protocol = connect(loop, ours)
        peer.send(b"x")

        run_turns(loop, 3)

        assert protocol.received == b"x"
        assert probe.slot(fd).kind == "transport"
        assert probe.slot(fd).interest == IN | PRI | RDHUP | ET
        transport.abort()
        run_turns(loop, 2)


def test_fd_removed_and_given_to_a_transport_in_the_same_turn_is_the_transports(loop, pair):
    ours, peer = pair
    loop.add_reader(ours, pytest.fail, "removed")
    run_turns(loop, 1)
    loop.remove_reader(ours)

    transport, protocol = connect(loop, ours)
    peer.send(b"x")
    run_turns(loop, 3)

    assert protocol.received == b"x"
    transport.abort()
    run_turns(loop, 2)


def test_fd_of_a_transport_that_is_gone_can_be_watched(loop, probe):
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        transport, _ = connect(loop, ours)
        transport.abort()
        run_turns(loop, 2)
    with unix_pair() as (ours, peer):
        assert ours.fileno() == fd
        seen = []
        loop.add_reader(ours, lambda: seen.append(ours.recv(1)))
        peer.send(b"x")

        run_turns(loop, 1)

        assert seen == [b"x"]
        assert probe.slot(fd).interest == IN
        loop.remove_reader(ours)


@pytest.mark.parametrize("removed", [True, False], ids=["removed", "not_removed"])
@pytest.mark.parametrize("turn_between", [True, False], ids=["a_turn_later", "at_once"])
def test_reused_number_is_watched_as_the_new_file(loop, removed, turn_between):
    run_turns(loop, 1)
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        loop.add_reader(fd, pytest.fail, "a file that was closed got readable")
        if removed:
            loop.remove_reader(fd)
    if turn_between:
        run_turns(loop, 1)
    with unix_pair() as (ours, peer):
        assert ours.fileno() == fd
        seen = []
        loop.add_reader(ours, lambda: seen.append(ours.recv(1)))
        peer.send(b"x")

        run_turns(loop, 1)

        assert seen == [b"x"]
        loop.remove_reader(ours)


def test_reused_number_does_not_hear_of_a_duplicate_of_the_former_file(loop, pair):
    ours, peer = pair
    loop.add_reader(ours, print)
    with contextlib.closing(ours.dup()), unix_pair() as (new, _):
        peer.send(b"for the former file")
        os.dup2(new.fileno(), ours.fileno())
        loop.add_reader(ours, pytest.fail, "nothing came for the new file")

        run_turns(loop, 3)

    loop.remove_reader(ours)


def test_files_that_only_duplicates_keep_open_do_not_keep_the_loop_awake(loop):
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            ours, peer = stack.enter_context(unix_pair())
            fd = ours.fileno()
            loop.add_reader(fd, print)
            stack.enter_context(contextlib.closing(ours.dup()))
            ours.close()
            loop.remove_reader(fd)  # too late for epoll: nothing has this number
            peer.send(b"x")

        assert polls_while_idle(loop) <= 4


def test_listener_closed_behind_the_loop_keeps_nobody_from_a_new_epoll(loop, pair, reports):
    ours, peer = pair
    sock = socket.create_server(("127.0.0.1", 0))
    server = loop.run_until_complete(loop.create_server(Receiving, sock=sock))
    seen = []
    loop.add_reader(ours, lambda: seen.append(ours.recv(1)))
    os.close(sock.detach())
    peer.send(b"x")

    loop._forked()
    run_turns(loop, 2)

    assert seen == [b"x"]
    (report,) = reports
    assert report["message"] == "accept4() failed; the listener is closed"
    reports.clear()
    server.close()
    loop.remove_reader(ours)


def test_number_that_becomes_a_regular_file_is_reported_and_forgotten(loop, probe, reports):
    run_turns(loop, 1)
    with unix_pair() as (ours, _), tempfile.TemporaryFile() as file:
        loop.add_reader(ours, print)
        loop.add_writer(ours, print)
        os.dup2(file.fileno(), ours.fileno())

        run_turns(loop, 1)

        assert probe.slot(ours.fileno()) is None
    (report,) = reports
    assert isinstance(report["exception"], PermissionError)
    reports.clear()
