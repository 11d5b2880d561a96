"""Sockets that the keeper keeps for programs: their number, their end, what is refused."""

import contextlib
import errno
import json
import os
import random
import socket

import pytest

from ngxloop.serving.base.badmessage import BadMessageError
from ngxloop.serving.config.config import Config
from ngxloop.serving.process.message import Message, MessageKind
from ngxloop.serving.sockets.bindrequest import BindRequest
from ngxloop.serving.sockets.requester import _DEFAULT, Requester, describe_requester
from ngxloop.serving.sockets.sharedsockets import SharedSockets
from tests.support.addresses import free_address
from tests.support.leaks import fds_opened_since, open_fds

ANY_PORT = [2, 1, ["127.0.0.1", 0]]
TOO_MANY = f"f{errno.EMFILE}"


class Worker:
    """Asks for sockets as a worker does."""

    def __init__(self, shared, number=1, generation=1, is_program=True, shares_datagrams=False):
        self.shared = shared
        self.requester = Requester(number, "worker", generation, is_program, shares_datagrams)

    def ask(self, fields, sock=None):
        """Return the answer."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        offered = sock or socket.socket(*fields[:2])
        with ours:
            fds = (theirs.detach(), offered.detach())
            self.shared.answer_bind(
                self.requester, Message(MessageKind.BIND, json.dumps(fields).encode(), fds)
            )
            return ours.recv(64).decode()

    def keep(self, fields, sock):
        message = Message(MessageKind.KEEP, json.dumps(fields).encode(), (os.dup(sock.fileno()),))
        self.shared.answer_keep(self.requester, message)

    def release(self, fields):
        self.shared.answer_release(
            self.requester, Message(MessageKind.RELEASE, json.dumps(fields).encode())
        )


@pytest.fixture
def told():
    """What the keeper has told the master: the numbers of sockets, negative for dropped ones."""
    return []


@pytest.fixture
def shared(told):
    before = open_fds()
    made = SharedSockets(lambda one: told.append(one.number), lambda number: told.append(-number))
    yield made
    made.close()
    assert fds_opened_since(before) == []
    assert sum(told) == 0


@pytest.fixture
def limit(monkeypatch):
    """Set one of keeperlimits.py; the others are out of reach."""

    def start(name, value):
        for one in ("WORKER_SOCKETS", "GENERATION_SOCKETS", "SHARED_SOCKETS"):
            limit = value if one == name else 1000
            monkeypatch.setattr(f"ngxloop.serving.sockets.sharedsockets.{one}", limit)

    return start


def test_a_worker_has_so_many_and_no_more(shared, limit):
    limit("WORKER_SOCKETS", 3)
    worker, other = Worker(shared), Worker(shared, number=2)
    assert [worker.ask([*ANY_PORT, number]) for number in range(4)] == [*"bbb", TOO_MANY]
    assert worker.ask([*ANY_PORT, 0]) == "s"  # which it has
    assert [other.ask([*ANY_PORT, number]) for number in range(2)] == ["s", "s"]
    other.release([*ANY_PORT, 1])
    worker.release([*ANY_PORT, 1])
    assert worker.ask([*ANY_PORT, 4]) == "b"


def test_a_generation_has_so_many_and_the_next_one_as_many_again(shared, limit):
    limit("GENERATION_SOCKETS", 3)
    first, second = Worker(shared), Worker(shared, number=2, generation=2)
    assert [first.ask([*ANY_PORT, number]) for number in range(4)] == [*"bbb", TOO_MANY]
    assert second.ask([*ANY_PORT, 4]) == "b"
    shared.drop_older(2)
    assert len(list(shared)) == 1


def test_all_generations_have_so_many(shared, limit):
    limit("SHARED_SOCKETS", 3)
    workers = [Worker(shared, number=number, generation=number) for number in range(4)]
    answers = [worker.ask([*ANY_PORT, number]) for number, worker in enumerate(workers)]
    assert answers == [*"bbb", TOO_MANY]


def test_a_bind_that_fails_leaves_nothing_and_tells_why(shared):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = list(taken.getsockname())
        assert Worker(shared).ask([2, 1, address, None]) == f"f{errno.EADDRINUSE}"
    assert list(shared) == []


def test_a_socket_that_is_bound_elsewhere_than_the_request_says_is_refused(shared):
    sock = socket.socket()
    sock.bind(("127.0.0.2", 0))
    assert Worker(shared).ask([*ANY_PORT, 0], sock) == f"f{errno.EINVAL}"
    assert list(shared) == []


def test_a_release_counts_for_those_who_have_the_socket(shared):
    holder, other = Worker(shared), Worker(shared, number=2)
    assert holder.ask([*ANY_PORT, 0]) == "b"
    other.release([*ANY_PORT, 0])
    other.release([*ANY_PORT, 1])
    assert len(list(shared)) == 1
    holder.release([*ANY_PORT, 0])
    assert list(shared) == []


def test_what_a_worker_had_that_has_ended_stays_for_the_next_one(shared):
    first, second = Worker(shared), Worker(shared, number=2)
    assert first.ask([*ANY_PORT, 0]) == "b"
    shared.forget(first.requester)
    assert second.ask([*ANY_PORT, 0]) == "s"
    second.release([*ANY_PORT, 0])
    assert list(shared) == []


def test_sockets_that_workers_have_are_kept_again_once_each(shared, told):
    workers = [Worker(shared, number=number) for number in (1, 2)]
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        for worker in workers:
            worker.keep([*ANY_PORT, 0], sock)
        assert [one.sock.getsockname() for one in shared] == [sock.getsockname()]
        assert told == [1]
    for worker in workers:
        worker.release([*ANY_PORT, 0])
    assert list(shared) == []


def test_another_socket_for_an_address_that_is_kept_already_is_not_kept(shared):
    worker, other = Worker(shared), Worker(shared, number=2)
    assert worker.ask([*ANY_PORT, 0]) == "b"
    (kept,) = shared
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        other.keep([*ANY_PORT, 0], sock)
    assert list(shared) == [kept]
    worker.release([*ANY_PORT, 0])
    assert list(shared) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: socket.socket(socket.AF_UNIX),
        lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    ],
    ids=["Unix", "netlink", "datagrams"],
)
def test_a_socket_of_another_kind_is_not_kept(shared, make):
    with make() as sock, pytest.raises(BadMessageError):
        Worker(shared).keep([*ANY_PORT, 0], sock)


def test_a_socket_that_is_not_bound_is_not_kept(shared):
    with socket.socket() as sock:
        Worker(shared).keep([*ANY_PORT, 0], sock)
    assert list(shared) == []


def test_what_was_inherited_is_lent_and_goes_with_the_first_generation(shared):
    sock = socket.socket()
    sock.bind(free_address())
    address = [2, 1, list(sock.getsockname()), None]
    shared.inherit(BindRequest.unpack(json.dumps(address).encode()), sock)
    assert Worker(shared).ask(address) == "s"
    shared.drop_older(1)
    assert len(list(shared)) == 1
    shared.drop_older(2)
    assert list(shared) == []


@pytest.mark.parametrize("is_left", [False, True], ids=["removed", "left"])
def test_the_file_of_a_socket_is_removed_at_the_end_unless_another_master_goes_on(
    shared, tmp_path, is_left
):
    path = tmp_path / "a.sock"
    assert Worker(shared).ask([1, 1, str(path), None]) == "b"
    shared.close(leave_files=is_left)
    assert path.exists() == is_left


def test_a_file_that_has_taken_the_place_of_ours_is_not_removed(shared, tmp_path):
    path = tmp_path / "a.sock"
    assert Worker(shared).ask([1, 1, str(path), None]) == "b"
    path.unlink()
    path.write_text("precious")
    shared.close()
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("options", "interface", "expected"),
    [
        ({"app": "program.py"}, "", True),
        ({"app": "program.py"}, "script", True),
        ({"app": "a:b"}, "", True),  # which may turn out to be a program
        ({"app": "a:b", "interface": "main"}, "", True),
        ({"app": "a:b"}, "main", True),
        ({"app": "a:b"}, "asgi", False),
        ({"app": "a:b", "interface": "streams"}, "", False),
        ({"app": "a:b", "bind": ["127.0.0.1:0"]}, "asgi", None),
        ({"app": "a:b", "interface": "asgi", "bind": ["127.0.0.1:0"]}, "", None),
        ({"app": "a:b", "interface": "main", "bind": ["127.0.0.1:0"]}, "", True),
    ],
)
def test_programs_ask_for_any_address_and_applications_for_the_default_one(
    options, interface, expected
):
    requester = describe_requester(1, "worker 1.0", 1, Config(**options), interface)
    assert (requester.is_program if requester else None) is expected
    if requester is not None:
        assert Requester.unpack(requester.pack()).may_ask(_DEFAULT)
        assert (
            requester.may_ask(BindRequest.unpack(json.dumps([*ANY_PORT, 0]).encode())) is expected
        )


def test_an_application_that_asks_for_another_address_is_refused(shared):
    with pytest.raises(BadMessageError):
        Worker(shared, is_program=False).ask([*ANY_PORT, 0])
    with pytest.raises(BadMessageError):
        Worker(shared, is_program=False).release([*ANY_PORT, 0])


def test_datagram_sockets_are_asked_for_if_they_are_shared(shared):
    fields = [1, 2, f"\0ngxloop-test-{os.getpid()}", None]
    with pytest.raises(BadMessageError):
        Worker(shared).ask(fields)
    assert Worker(shared, shares_datagrams=True).ask(fields) == "b"


def test_multipath_tcp_is_shared_like_tcp(shared):
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
    except OSError as error:
        pytest.skip(f"the kernel has no MPTCP: {error}")
    address = [2, 1, list(free_address()), None]
    assert Worker(shared).ask(address, sock) == "b"
    assert Worker(shared, number=2).ask(address) == "s"


DESCRIPTORS = [
    lambda: socket.socket().detach(),
    lambda: socket.socket(socket.AF_UNIX).detach(),
    lambda: socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET).detach(),
    lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).detach(),
    lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).detach(),
    lambda: os.open("/dev/null", os.O_RDONLY),
    lambda: socket.create_server(("127.0.0.1", 0)).detach(),
]


@pytest.mark.parametrize("seed", range(5))
def test_messages_at_random_are_answered_or_malformed_and_leave_no_descriptor(shared, seed):
    source = random.Random(seed)
    worker = Worker(shared)
    pieces = [2, 1, 10, 16, 0, -1, 3.5, None, True, "", "/", "127.0.0.1", "::1", [], {}, ["::", 0]]
    actions = {
        MessageKind.BIND: (shared.answer_bind, (2, 3)),
        MessageKind.KEEP: (shared.answer_keep, (1, 2)),
        MessageKind.RELEASE: (shared.answer_release, (0, 1)),
    }
    for _ in range(300):
        fields = [source.choice(pieces) for _ in range(source.randint(0, 5))]
        if source.random() < 0.5:
            fields = [*ANY_PORT, source.randrange(3)]
        kind = source.choice(list(actions))
        answer, counts = actions[kind]
        fds = tuple(source.choice(DESCRIPTORS[:5])() for _ in range(counts[0]))
        with contextlib.suppress(BadMessageError):
            answer(worker.requester, Message(kind, json.dumps(fields).encode(), fds))
