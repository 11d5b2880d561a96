"""Sockets that the master keeps for programs: their user, their number, their end."""

import contextlib
import errno
import json
import os
import random
import socket

import pytest

from ngxloop.serving import asker as asker_module
from ngxloop.serving.asker import Account, Asker
from ngxloop.serving.badmessage import BadMessageError
from ngxloop.serving.channel import Kind, Message
from ngxloop.serving.config import Config
from ngxloop.serving.limits import WORKER_BINDS
from ngxloop.serving.sharing import SharedSockets
from tests.support.addresses import free_address
from tests.support.leaks import fds_opened_since, open_fds

ANY_PORT = [2, 1, ["127.0.0.1", 0]]
TOO_MANY = f"f{errno.EMFILE}"


class Worker:
    """Asks for sockets as a worker does; the requests carry the id of this process."""

    def __init__(self, shared, pid=None, generation=1, app="program.py", interface="", **options):
        self.shared = shared
        self.asker = Asker(
            name="worker",
            pid=os.getpid() if pid is None else pid,
            generation=generation,
            config=Config(app=app, **options),
            interface=interface,
            find_listener=lambda family, address: None,
            live_pids={os.getpid(), pid},
        )

    def ask(self, fields, sock=None):
        """Return the answer."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        offered = sock or socket.socket(*fields[:2])
        with ours:
            fds = (theirs.detach(), offered.detach())
            self.shared.answer_bind(
                self.asker, Message(Kind.BIND, json.dumps(fields).encode(), fds)
            )
            return ours.recv(64).decode()

    def release(self, fields, *fds):
        payload = json.dumps(fields).encode()
        self.shared.answer_release(self.asker, Message(Kind.RELEASE, payload, fds))


@pytest.fixture
def shared():
    before = open_fds()
    made = SharedSockets()
    yield made
    made.close()
    assert fds_opened_since(before) == []


@pytest.fixture
def limit(monkeypatch):
    """Set one of limits.py; the others are out of reach."""

    def start(name, value):
        for one in ("WORKER_SOCKETS", "GENERATION_SOCKETS", "SHARED_SOCKETS"):
            monkeypatch.setattr(f"ngxloop.serving.sharing.{one}", value if one == name else 1000)

    return start


def test_a_worker_has_so_many_and_no_more(shared, limit):
    limit("WORKER_SOCKETS", 3)
    worker, other = Worker(shared), Worker(shared, generation=2)
    assert [worker.ask([*ANY_PORT, number]) for number in range(4)] == [*"bbb", TOO_MANY]
    assert other.ask([*ANY_PORT, 0]) == "s"  # the same process, which has it
    worker.release([*ANY_PORT, 0])
    assert worker.ask([*ANY_PORT, 4]) == "b"


def test_a_generation_has_so_many_and_the_next_one_as_many_again(shared, limit):
    limit("GENERATION_SOCKETS", 3)
    first, second = Worker(shared), Worker(shared, generation=2)
    assert [first.ask([*ANY_PORT, number]) for number in range(4)] == [*"bbb", TOO_MANY]
    assert second.ask([*ANY_PORT, 4]) == "b"
    shared.drop_older(2)
    assert len(shared.sockets) == 1


def test_all_generations_have_so_many(shared, limit):
    limit("SHARED_SOCKETS", 3)
    workers = [Worker(shared, generation=number) for number in range(4)]
    answers = [worker.ask([*ANY_PORT, number]) for number, worker in enumerate(workers)]
    assert answers == [*"bbb", TOO_MANY]


def test_a_bind_that_fails_leaves_nothing_and_tells_why(shared):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = list(taken.getsockname())
        assert Worker(shared).ask([2, 1, address, None]) == f"f{errno.EADDRINUSE}"
    assert shared.sockets == []


def test_a_socket_that_is_bound_elsewhere_than_the_request_says_is_refused(shared):
    sock = socket.socket()
    sock.bind(("127.0.0.2", 0))
    assert Worker(shared).ask([*ANY_PORT, 0], sock) == f"f{errno.EINVAL}"
    assert shared.sockets == []


def test_a_release_counts_for_those_who_have_the_socket(shared):
    holder, other = Worker(shared), Worker(shared, pid=1)
    assert holder.ask([*ANY_PORT, 0]) == "b"
    other.release([*ANY_PORT, 0])
    other.release([*ANY_PORT, 1])
    assert len(shared.sockets) == 1
    holder.release([*ANY_PORT, 0])
    assert shared.sockets == []


def test_a_release_with_a_descriptor_is_malformed(shared):
    worker = Worker(shared)
    assert worker.ask([*ANY_PORT, 0]) == "b"
    with pytest.raises(BadMessageError):
        worker.release([*ANY_PORT, 0], socket.socket().detach())


@pytest.mark.parametrize(
    ("options", "is_right"),
    [
        ({"app": "program.py"}, True),
        ({"app": "a:b"}, True),  # which may turn out to be a program
        ({"app": "a:b", "interface": "main"}, True),
        ({"app": "a:b", "interface": "asgi"}, False),
        ({"app": "a:b", "interface": "streams"}, False),
    ],
    ids=["script", "unknown", "main", "asgi", "streams"],
)
def test_programs_ask_and_applications_do_not(shared, options, is_right):
    with contextlib.nullcontext() if is_right else pytest.raises(BadMessageError):
        Worker(shared, **options).ask([*ANY_PORT, 0])


def test_an_application_without_an_address_asks_for_the_default(shared):
    worker = Worker(shared, app="a:b", interface="asgi")
    assert worker.asker.may_ask(asker_module._DEFAULT)
    bound = Worker(shared, app="a:b", interface="asgi", bind=["127.0.0.1:0"])
    assert not bound.asker.may_ask(asker_module._DEFAULT)


def test_datagram_sockets_are_asked_for_if_they_are_shared(shared):
    fields = [1, 2, "\0ngxloop-test-datagrams", None]
    with pytest.raises(BadMessageError):
        Worker(shared).ask(fields)
    assert Worker(shared, share_datagrams=True).ask(fields) == "b"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_what_another_user_has_bound_is_in_use(shared):
    address = [2, 1, list(free_address()), None]
    assert Worker(shared).ask(address) == "b"  # a socket of root's
    nobody = Worker(shared, user="nobody")
    assert nobody.ask(address) == f"f{errno.EADDRINUSE}"
    assert Worker(shared, generation=2).ask(address) == "s"


def test_a_worker_that_binds_without_end_is_slowed_down():
    account = Account()
    for _ in range(WORKER_BINDS):
        account.spend()
    account.left = 0.0  # without what has come back meanwhile
    with pytest.raises(OSError, match="No buffer space") as caught:
        account.spend()
    assert caught.value.errno == errno.ENOBUFS


def test_a_worker_whose_bind_did_not_end_gets_no_other():
    account = Account()
    account.spend()
    account.is_stalled = True
    with pytest.raises(TimeoutError):
        account.spend()


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
    for _ in range(300):
        fields = [source.choice(pieces) for _ in range(source.randint(0, 5))]
        if source.random() < 0.5:
            fields = [*ANY_PORT, source.randrange(3)]
        fds = tuple(source.choice(DESCRIPTORS)() for _ in range(source.randint(0, 3)))
        answer = source.choice([shared.answer_bind, shared.answer_release])
        with contextlib.suppress(BadMessageError):
            answer(worker.asker, Message(Kind.BIND, json.dumps(fields).encode(), fds))
