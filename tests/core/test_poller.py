"""Poller: one epoll instance, on real fds."""

import errno
import os
import socket
import tempfile
import time

import pytest

from tests.probes.poller import ERR, ET, HUP, IN, OUT, RDHUP, PollerProbe
from tests.support.sockets import refused_address, tcp_pair, unix_pair

MS = 1_000_000
SECOND = 1_000_000_000


@pytest.fixture
def poller():
    poller = PollerProbe()
    yield poller
    poller.close()


@pytest.fixture(params=[True, False], ids=["epoll_pwait2", "epoll_wait"])
def timed_poller(request, poller):
    """Give a poller that waits with the call of new kernels, and with that of old ones."""
    poller.has_pwait2 = request.param
    return poller


def elapsed_ns(call) -> int:
    start_ns = time.monotonic_ns()
    call()
    return time.monotonic_ns() - start_ns


def test_poll_with_nothing_watched_finds_nothing(poller):
    assert poller.poll() == {}


def test_add_reports_events_of_the_mask(poller, pair):
    ours, peer = pair

    poller.add(ours.fileno(), IN | OUT)
    peer.send(b"x")

    assert poller.poll() == {ours.fileno(): IN | OUT}
    assert poller.interest(ours.fileno()) == IN | OUT


def test_level_triggered_event_comes_back_until_drained(poller, pair):
    ours, peer = pair
    poller.add(ours.fileno(), IN)
    peer.send(b"x")

    twice = [poller.poll(), poller.poll()]
    ours.recv(1)

    assert twice == [{ours.fileno(): IN}] * 2
    assert poller.poll() == {}


def test_edge_triggered_event_comes_once_per_arrival(poller, pair):
    ours, peer = pair
    poller.add(ours.fileno(), IN | RDHUP | ET)
    peer.send(b"x")

    first, second = poller.poll(), poller.poll()
    peer.send(b"y")

    assert (first, second) == ({ours.fileno(): IN}, {})
    assert poller.poll() == {ours.fileno(): IN}


def test_edge_triggered_end_of_stream_is_reported_with_rdhup(poller):
    with tcp_pair() as (ours, peer):
        poller.add(ours.fileno(), IN | RDHUP | ET)

        peer.shutdown(socket.SHUT_WR)

        assert poller.wait(SECOND) == {ours.fileno(): IN | RDHUP}


def test_hang_up_is_reported_without_being_asked_for(poller, pair):
    ours, peer = pair
    poller.add(ours.fileno(), RDHUP)

    peer.close()

    assert poller.wait(SECOND)[ours.fileno()] & HUP


def test_error_of_refused_connect_is_reported(poller):
    with socket.socket() as sock:
        sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            sock.connect(refused_address())
        poller.add(sock.fileno(), OUT)

        assert poller.wait(SECOND)[sock.fileno()] & ERR


def test_modify_changes_the_mask(poller, pair):
    ours, _ = pair
    poller.add(ours.fileno(), IN)

    poller.modify(ours.fileno(), OUT)

    assert poller.poll() == {ours.fileno(): OUT}
    assert poller.interest(ours.fileno()) == OUT


def test_modify_of_unknown_fd_adds_it(poller, pair):
    ours, _ = pair

    poller.modify(ours.fileno(), OUT)

    assert poller.poll() == {ours.fileno(): OUT}


def test_modify_of_fd_that_is_another_file_now_watches_that(poller):
    with unix_pair() as (ours, _), unix_pair() as (other, other_peer):
        poller.add(ours.fileno(), IN)
        os.dup2(other.fileno(), ours.fileno())
        poller.modify(ours.fileno(), IN)

        other_peer.send(b"x")

        assert poller.poll() == {ours.fileno(): IN}


def test_add_of_known_fd_changes_mask_and_key(poller, pair):
    ours, _ = pair
    fd = ours.fileno()
    poller.add(fd, IN)
    poller.renew(fd)

    poller.add(fd, OUT)

    assert poller.poll() == {fd: OUT}


def test_event_of_former_user_of_slot_is_stale(poller, pair):
    ours, _ = pair
    poller.add(ours.fileno(), OUT)

    poller.renew(ours.fileno())

    assert poller.poll() == {None: OUT}


def test_remove_ends_reports(poller, pair):
    ours, _ = pair
    poller.add(ours.fileno(), OUT)

    poller.remove(ours.fileno())

    assert poller.poll() == {}
    assert poller.interest(ours.fileno()) == 0


def test_remove_of_unknown_fd_is_forgiven(poller, pair):
    poller.remove(pair[0].fileno())


def test_remove_of_closed_fd_is_forgiven(poller):
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        poller.add(fd, IN)

    poller.remove(fd)


def test_regular_file_cannot_be_added_and_its_removal_is_forgiven(poller):
    with tempfile.TemporaryFile() as file:
        fd = file.fileno()

        with pytest.raises(PermissionError) as caught:
            poller.add(fd, IN)

        assert caught.value.errno == errno.EPERM
        assert str(caught.value).startswith(f"[Errno 1] epoll_ctl(ADD, fd={fd}) failed: ")
        assert poller.interest(fd) == 0
        poller.remove(fd)


@pytest.mark.parametrize("call", ["add", "modify"])
def test_change_of_closed_fd_raises_and_keeps_interest(poller, call):
    with unix_pair() as (ours, _):
        fd = ours.fileno()

    with pytest.raises(
        OSError, match=rf"epoll_ctl\({call[:3].upper()}, fd={fd}\) failed"
    ) as caught:
        getattr(poller, call)(fd, IN)

    assert caught.value.errno == errno.EBADF
    assert poller.interest(fd) == 0


@pytest.mark.parametrize("timeout_ns", [0, 1, 500_000, 3 * MS + 1], ids=lambda ns: f"{ns}_ns")
def test_wait_is_never_shorter_than_asked(timed_poller, timeout_ns):
    took_ns = min(elapsed_ns(lambda: timed_poller.wait(timeout_ns)) for _ in range(5))

    assert took_ns >= timeout_ns


def test_wait_without_epoll_pwait2_rounds_up_to_whole_milliseconds(poller):
    poller.has_pwait2 = False

    took_ns = min(elapsed_ns(lambda: poller.wait(1)) for _ in range(5))

    assert took_ns >= MS


def test_wait_ends_with_an_event(timed_poller, pair):
    ours, peer = pair
    timed_poller.add(ours.fileno(), IN)
    peer.send(b"x")

    assert timed_poller.wait(-1) == {ours.fileno(): IN}


def test_wait_keeps_the_call_that_works(poller):
    poller.wait(0)

    assert poller.has_pwait2 is has_epoll_pwait2()


def test_grow_doubles_capacity_up_to_its_bound(poller):
    capacities = [poller.capacity]

    for _ in range(6):
        poller.grow()
        capacities.append(poller.capacity)

    assert capacities == [512, 1024, 2048, 4096, 8192, 8192, 8192]


def test_close_closes_the_epoll_fd_once(poller):
    fd = poller.fd

    poller.close()
    poller.close()

    assert poller.fd == -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


@pytest.mark.parametrize("call", [lambda p: p.poll(), lambda p: p.wait(0)], ids=["poll", "wait"])
def test_closed_poller_raises(poller, call):
    poller.close()

    with pytest.raises(OSError, match="failed: Bad file descriptor"):
        call(poller)


def test_epoll_fd_is_not_inherited_by_programs(poller):
    assert not os.get_inheritable(poller.fd)


def has_epoll_pwait2() -> bool:
    major, minor = (int(part) for part in os.uname().release.split(".")[:2])
    return (major, minor) >= (5, 11)
