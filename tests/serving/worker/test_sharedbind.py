"""A program's bind() ends: with the keeper's answer, or with an error that says what is wrong."""

import errno
import socket
import threading

import pytest

from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.config.config import Config
from ngxloop.serving.process.channel import channel_pair
from ngxloop.serving.process.message import Message, MessageKind, Speaker
from ngxloop.serving.sockets.bindrequest import BindRequest
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.sockets.requester import Requester
from ngxloop.serving.sockets.sharedsockets import SharedSockets
from ngxloop.serving.worker import keeperclient
from ngxloop.serving.worker.assignment import Assignment
from ngxloop.serving.worker.sharedbind import SharedBindClient
from tests.support.addresses import free_address
from tests.support.waiting import DEADLINE


@pytest.fixture
def ends():
    """Return the keeper's end of a line, and the worker's."""
    keeper, worker = channel_pair(Speaker.BIND_CLIENT)
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
    """Let a client give up soon what never comes."""
    monkeypatch.setattr(keeperclient, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(keeperclient, "RENEWAL_SECONDS", 0.2)


@pytest.fixture
def make_client(monkeypatch, master):
    """Make a client that waits for as long as a busy machine needs."""
    monkeypatch.setattr(keeperclient, "ANSWER_SECONDS", DEADLINE)
    monkeypatch.setattr(keeperclient, "RENEWAL_SECONDS", DEADLINE)

    def make(line, sockets=()):
        return SharedBindClient(
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
        shared.answer_bind(Requester(1, "worker 1.0", 1, True), message)


@pytest.fixture
def shared():
    made = SharedSockets(lambda one: None, lambda number: None)
    yield made
    made.close()


def test_keeper_that_does_not_answer_is_an_error_after_a_while(make_client, impatient, ends):
    with socket.socket() as sock, pytest.raises(OSError, match=r"within 0\.2 s") as caught:
        make_client(ends[1]).bind(sock, free_address())
    assert caught.value.errno == errno.ETIMEDOUT


def test_keeper_that_reads_nothing_is_an_error_after_a_while(make_client, impatient, ends):
    while ends[1].send(MessageKind.RELEASE, b"[]"):
        continue
    with socket.socket() as sock, pytest.raises(OSError, match="cannot be asked") as caught:
        make_client(ends[1]).bind(sock, free_address())
    assert caught.value.errno == errno.ENOTCONN


@pytest.mark.parametrize("is_closed", [True, False], ids=["dead", "none"])
def test_keeper_that_is_gone_is_an_error(make_client, impatient, ends, is_closed):
    ends[0].close()
    with socket.socket() as sock, pytest.raises(OSError, match="cannot be asked") as caught:
        make_client(ends[1] if is_closed else None).bind(sock, free_address())
    assert caught.value.errno == errno.ENOTCONN


def test_bind_that_meets_the_death_of_a_keeper_is_done_by_the_next_one(make_client, ends, shared):
    client = make_client(ends[1])
    keeper, worker = channel_pair(Speaker.BIND_CLIENT)
    thread = threading.Thread(target=answer_one, args=(keeper, shared))

    def renew():
        if not thread.is_alive():
            thread.start()
            client.renew(Message(MessageKind.LINE, b"null", (worker._sock.detach(),)))

    client.keeper.read_orders = renew
    ends[0].close()
    address = free_address()
    with socket.socket() as sock:
        client.bind(sock, address)
        assert sock.getsockname() == address
    thread.join()
    assert [one.sock.getsockname() for one in shared] == [address]
    keeper.close()
    client.hang_up()


def test_new_keeper_gets_what_the_program_has_and_nothing_that_it_has_closed(
    make_client, ends, shared
):
    client = make_client(ends[1])
    with socket.socket() as kept, socket.socket() as closed:
        for sock in (kept, closed):
            thread = threading.Thread(target=answer_one, args=(ends[0], shared))
            thread.start()
            client.bind(sock, free_address())
            thread.join()
        closed.close()
        keeper, worker = channel_pair(Speaker.BIND_CLIENT)
        client.renew(Message(MessageKind.LINE, b"null", (worker._sock.detach(),)))
        (message,) = keeper.messages()
        assert message.kind is MessageKind.KEEP
        request = BindRequest.unpack(message.payload)
        assert request.address == kept.getsockname()
        message.discard()
    keeper.close()
    client.hang_up()


def test_address_of_bind_is_not_asked_for_and_the_master_is_told(make_client, master):
    opened = ListeningSocket()
    address = free_address()
    opened.bind(address)
    opened.open_queue(7)
    client = make_client(None, [opened])
    client.offer_opened()
    with socket.socket() as sock:
        client.bind(sock, address)
        assert sock.getsockname() == address
        (message,) = master[0].receive()
        assert message == Message(MessageKind.BOUND, f"{address[0]}:{address[1]}".encode())
        client.drain()
        assert opened.fileno() == -1
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)


def test_sockets_of_an_application_stay_open_when_it_drains(make_client):
    with ListeningSocket() as opened:
        make_client(None, [opened]).drain()
        assert opened.fileno() >= 0
