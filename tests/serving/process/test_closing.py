"""Sockets of workers and clients are closed at once; a plain close() would take an hour."""

import array
import contextlib
import errno
import os
import select
import socket
import struct

import pytest

from ngxloop.serving.admin.requestserver import RequestProtocol, RequestServer
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.process.closing import (
    close_fds,
    close_socket,
    close_unreceived,
    close_with_queue,
    receive_with_fds,
)
from ngxloop.serving.process.message import MessageKind, Speaker
from ngxloop.serving.process.poller import Poller
from ngxloop.serving.sockets.listeners import Listeners, ListeningSocket, Opened
from tests.serving.support import DEADLINE
from tests.support.fuse import HangingFile, needs_fuse
from tests.support.leaks import fds_opened_since, open_fds

AN_HOUR = struct.pack("ii", 1, 3600)
KINDS = {
    "messages": socket.SOCK_SEQPACKET,
    "datagrams": socket.SOCK_DGRAM,
    "a stream": socket.SOCK_STREAM,
}


def fill(sock):
    """Send until the queue is full."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(bytes(65536))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AN_HOUR)


@pytest.fixture
def lingering():
    """Make descriptors that close() waits for; what is left of them is closed."""
    before = open_fds()
    kept = []

    def make():
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            kept.append(server.accept()[0])  # which reads nothing
        fill(client)
        return client.detach()

    yield make
    for sock in kept:
        sock.close()
    assert fds_opened_since(before) == []


def pass_on(sock, data, *fds):
    """Send descriptors, and close ours."""
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
    sock.sendmsg([data] if data else [], [rights])
    for fd in set(fds):
        os.close(fd)


def test_descriptor_that_lingers_is_closed_at_once(lingering):
    close_fds([lingering(), lingering(), os.open(os.devnull, os.O_RDONLY)])


def test_number_that_is_not_open_is_passed_over():
    with socket.socket() as sock:
        number = sock.fileno()
    close_fds([number])


@pytest.mark.parametrize("is_sender_open", [True, False])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_queue_is_emptied_before_its_socket_is_closed(lingering, kind, is_sender_open):
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    for _ in range(3):
        pass_on(theirs, b"x", lingering())
    if not is_sender_open:
        theirs.close()
    close_with_queue(ours)
    theirs.close()


def test_messages_without_bytes_do_not_hide_those_behind_them(lingering):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        theirs.send(b"")
        pass_on(theirs, b"", lingering())
        theirs.send(b"")
        pass_on(theirs, b"", lingering())
        close_with_queue(ours)


def test_sender_can_queue_nothing_after_the_queue_was_emptied():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, ours, socket.socket(fileno=os.dup(ours.fileno())) as copy:
        close_with_queue(copy)
        with pytest.raises(BrokenPipeError):
            theirs.send(b"x")


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_queues_in_queues_are_emptied(lingering, depth):
    fd = lingering()
    for _ in range(depth):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            pass_on(theirs, b"x", fd)
        fd = ours.detach()
    close_fds([fd])


def test_connections_that_were_not_accepted_are_emptied(lingering, tmp_path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "listener"))
    listener.listen()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(tmp_path / "listener"))
        pass_on(client, b"x", lingering())
        close_fds([listener.detach()])


def test_all_descriptors_of_the_largest_message_are_received(lingering):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        pass_on(theirs, b"x", *[lingering()] * 253)
        _, fds, flags = receive_with_fds(ours, 1)
    assert (len(fds), flags & socket.MSG_CTRUNC) == (253, 0)
    close_fds(fds)


@pytest.mark.parametrize("data", [b"x", b""], ids=["bytes", "no bytes"])
@pytest.mark.parametrize("is_sender_open", [True, False])
@pytest.mark.parametrize("depth", [0, 2])
def test_what_was_not_received_is_closed_at_once(lingering, data, is_sender_open, depth):
    fd = lingering()
    for _ in range(depth):
        inner, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with sender:
            pass_on(sender, b"x", fd)
        fd = inner.detach()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.send(b"unread")  # then the first receive at ours fails with ECONNRESET
    pass_on(theirs, data, fd)
    if not is_sender_open:
        theirs.close()
    close_unreceived(ours)
    theirs.close()


def test_socket_is_kept_open_while_no_child_can_be_forked(lingering, monkeypatch):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pass_on(theirs, b"x", lingering())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fork", fail_to_fork)
        close_unreceived(ours)
    assert ours.fileno() >= 0
    theirs.close()
    other, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with sender:
        sender.send(b"x")
        close_unreceived(other)
    assert (ours.fileno(), other.fileno()) == (-1, -1)


def fail_to_fork():
    raise BlockingIOError(errno.EAGAIN, "no more processes")


def test_nothing_is_forked_for_an_empty_queue(monkeypatch):
    monkeypatch.setattr(os, "fork", fail_to_fork)
    for is_sender_open in (True, False):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            if not is_sender_open:
                theirs.close()
            close_unreceived(ours)
        assert ours.fileno() == -1


@pytest.fixture
def hanging(tmp_path):
    """Give a file whose close() hangs."""
    try:
        file = HangingFile(tmp_path)
    except OSError as error:
        pytest.skip(str(error))
    yield file
    file.close()


@needs_fuse
def test_file_whose_close_hangs_does_not_delay_the_master(hanging):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        sender = os.fork()
        if sender == 0:  # whose own close() hangs, too
            fds = [os.open(hanging.path, os.O_RDWR)]
            socket.send_fds(theirs, [bytes([MessageKind.DRAINING])], fds)
            socket.send_fds(theirs, [bytes([MessageKind.DRAINING])], fds)
            os._exit(0)
        master = os.fork()
        if master == 0:
            theirs.close()
            channel = Channel(ours, Speaker.WORKER)
            select.select([channel], [], [])
            assert channel.receive() == []
            channel.end()
            os._exit(0)
    pidfd = os.pidfd_open(master)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    has_ended = bool(poll.poll(DEADLINE * 1000))
    os.close(pidfd)
    hanging.close()
    for pid in (master, sender):
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert has_ended


@pytest.mark.parametrize("count", [1, 2, 64, 65, 253])
def test_descriptors_of_a_malformed_message_are_closed(lingering, count):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    channel = Channel(ours, Speaker.WORKER)
    with theirs:
        pass_on(theirs, bytes([MessageKind.DRAINING]), *[lingering()] * count)
        assert channel.receive() == []
        assert "descriptors" in channel.fault
        pass_on(theirs, bytes([MessageKind.DRAINING]), lingering())  # it is not received any more
        channel.end()


def test_listener_that_a_worker_has_connected_is_closed(lingering):
    listener = ListeningSocket()
    listener.bind(("127.0.0.1", 0))
    listener.open_queue(1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.socket(fileno=os.dup(listener.fileno())) as copy:  # the worker's
            copy.shutdown(socket.SHUT_RDWR)
            copy.connect(server.getsockname())
            fill(copy)
        peer, _ = server.accept()
    Listeners([Opened("127.0.0.1:0", listener)]).close()
    peer.close()


def test_connected_socket_is_closed(lingering):
    close_socket(socket.socket(fileno=lingering()))


@pytest.fixture
def status(tmp_path):
    """A poller that answers at a Unix socket, and the path of that."""
    poller = Poller()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "status"))
    listener.listen()
    protocol = RequestProtocol(
        HandlerName.STATUS_LISTENER,
        HandlerName.STATUS_CONNECTION,
        end=b"\n",
        answer=lambda question, reply: reply(question),
        too_long=b"",
    )
    server = RequestServer(poller, listener, protocol)
    yield poller, str(tmp_path / "status")
    server.close()
    listener.close()
    poller.close()


def test_descriptors_that_a_client_of_the_status_sends_are_closed(lingering, status):
    poller, path = status
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        pass_on(client, b"question\n", lingering())
        client.setblocking(False)
        answer = b""
        while not answer:
            poller.wait(1)
            with contextlib.suppress(BlockingIOError):
                answer = client.recv(100)
    assert answer == b"question\n"


def test_descriptors_that_a_client_sends_after_its_question_are_closed(lingering, status):
    poller, path = status
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
        client.sendall(b"question\n")
        poller.wait(10)
        for _ in range(3):
            pass_on(client, b"x", lingering())
    # The fixture closes the connection with all of them in its queue.
