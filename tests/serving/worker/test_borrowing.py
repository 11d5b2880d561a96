"""A program's bind() ends: with the keeper's answer, or with an error that says what is wrong."""

import errno
import socket
import threading

import pytest

from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.config.config import Config
from ngxloop.serving.process.channel import Kind, Message, Speaker, channel_pair
from ngxloop.serving.sockets.asker import Asker
from ngxloop.serving.sockets.bindrequest import Wanted
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.sockets.sharing import SharedSockets
from ngxloop.serving.worker import borrowing
from ngxloop.serving.worker.assignment import Assignment
from ngxloop.serving.worker.borrowing import Borrower
from tests.support.addresses import free_address
from tests.support.waiting import DEADLINE


@pytest.fixture
def ends():
    """Return the keeper's end of a line, and the worker's."""
    keeper, worker = channel_pair(Speaker.BORROWER)
    yield keeper, worker
    keeper.close()
    worker.close()


@pytest.fixture
def master():
    """Return the master's end of the worker's channel, and the worker's."""
    ours, theirs = channel_pair()
    yield ours, theirs
    ours.close()
    theirs.close()


@pytest.fixture
def impatient(monkeypatch):
    """Let a borrower give up soon what never comes."""
    monkeypatch.setattr(borrowing, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(borrowing, "RENEWAL_SECONDS", 0.2)


@pytest.fixture
def borrow(monkeypatch, master):
    """Make a borrower that waits for as long as a busy machine needs."""
    monkeypatch.setattr(borrowing, "ANSWER_SECONDS", DEADLINE)
    monkeypatch.setattr(borrowing, "RENEWAL_SECONDS", DEADLINE)

    def make(line, sockets=()):
        return Borrower(
            Assignment(
                config=Config(app="program.py"),
                name="worker 1.0",
                slot=0,
                board=Scoreboard(1),
                channel=master[1],
                sockets=sockets,
                master_pid=0,
                line=line,
            )
        )

    return make


def answer_one(channel, shared):
    """Answer the next request as a keeper does."""
    channel.wait_for_message()
    for message in channel.messages():
        shared.answer_bind(Asker(1, "worker 1.0", 1, True), message)


@pytest.fixture
def shared():
    made = SharedSockets(lambda one: None, lambda number: None)
    yield made
    made.close()


def test_keeper_that_does_not_answer_is_an_error_after_a_while(borrow, impatient, ends):
    with socket.socket() as sock, pytest.raises(OSError, match=r"within 0\.2 s") as caught:
        borrow(ends[1]).bind(sock, free_address())
    assert caught.value.errno == errno.ETIMEDOUT


def test_keeper_that_reads_nothing_is_an_error_after_a_while(borrow, impatient, ends):
    while ends[1].send(Kind.RELEASE, b"[]"):
        continue
    with socket.socket() as sock, pytest.raises(OSError, match="cannot be asked") as caught:
        borrow(ends[1]).bind(sock, free_address())
    assert caught.value.errno == errno.ENOTCONN


@pytest.mark.parametrize("is_closed", [True, False], ids=["dead", "none"])
def test_keeper_that_is_gone_is_an_error(borrow, impatient, ends, is_closed):
    ends[0].close()
    with socket.socket() as sock, pytest.raises(OSError, match="cannot be asked") as caught:
        borrow(ends[1] if is_closed else None).bind(sock, free_address())
    assert caught.value.errno == errno.ENOTCONN


def test_bind_that_meets_the_death_of_a_keeper_is_done_by_the_next_one(borrow, ends, shared):
    borrower = borrow(ends[1])
    keeper, worker = channel_pair(Speaker.BORROWER)
    thread = threading.Thread(target=answer_one, args=(keeper, shared))

    def renew():
        if not thread.is_alive():
            thread.start()
            borrower.renew(Message(Kind.LINE, b"null", (worker._sock.detach(),)))

    borrower.read_orders = renew
    ends[0].close()
    address = free_address()
    with socket.socket() as sock:
        borrower.bind(sock, address)
        assert sock.getsockname() == address
    thread.join()
    assert [one.sock.getsockname() for one in shared] == [address]
    keeper.close()
    borrower.hang_up()


def test_new_keeper_gets_what_the_program_has_and_nothing_that_it_has_closed(borrow, ends, shared):
    borrower = borrow(ends[1])
    with socket.socket() as kept, socket.socket() as closed:
        for sock in (kept, closed):
            thread = threading.Thread(target=answer_one, args=(ends[0], shared))
            thread.start()
            borrower.bind(sock, free_address())
            thread.join()
        closed.close()
        keeper, worker = channel_pair(Speaker.BORROWER)
        borrower.renew(Message(Kind.LINE, b"null", (worker._sock.detach(),)))
        (message,) = keeper.messages()
        assert message.kind is Kind.KEEP
        wanted = Wanted.unpack(message.payload)
        assert wanted.address == kept.getsockname()
        message.discard()
    keeper.close()
    borrower.hang_up()


def test_address_of_bind_is_not_asked_for_and_the_master_is_told(borrow, master):
    opened = ListeningSocket()
    address = free_address()
    opened.bind(address)
    opened.open_queue(7)
    borrower = borrow(None, [opened])
    borrower.lend_opened()
    with socket.socket() as sock:
        borrower.bind(sock, address)
        assert sock.getsockname() == address
        (message,) = master[0].receive()
        assert message == Message(Kind.LENT, f"{address[0]}:{address[1]}".encode())
        borrower.drain()
        assert opened.fileno() == -1
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def test_sockets_of_an_application_stay_open_when_it_drains(borrow):
    with ListeningSocket() as opened:
        borrow(None, [opened]).drain()
        assert opened.fileno() >= 0
