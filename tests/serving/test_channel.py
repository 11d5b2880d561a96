"""Messages between master and worker arrive whole, or the end of file does."""

import os
import socket

import pytest

from ngxloop.serving.channel import MESSAGE_BYTES, Channel, Kind, Message, channel_pair
from ngxloop.serving.errors import ExitCode, StartError


@pytest.fixture
def ends():
    ours, theirs = channel_pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order(ends):
    ours, theirs = ends
    assert theirs.send(Kind.READY, b"asgi")
    assert theirs.send(Kind.DRAINING)
    assert ours.receive() == [Message(Kind.READY, b"asgi"), Message(Kind.DRAINING, b"")]
    assert ours.receive() == []
    assert ours.is_open


def test_largest_message_arrives_whole(ends):
    ours, theirs = ends
    payload = bytes(range(256)) * (MESSAGE_BYTES // 256)
    assert theirs.send(Kind.FAILED, payload[:-1])
    assert ours.receive() == [Message(Kind.FAILED, payload[:-1])]


def test_last_words_are_heard_before_the_end_of_file(ends):
    ours, theirs = ends
    theirs.send(Kind.FAILED, b"why")
    theirs.close()
    assert ours.receive() == [Message(Kind.FAILED, b"why")]
    assert not ours.is_open
    assert ours.receive() == []


def test_end_that_dies_with_messages_unread_is_an_end_of_file(ends):
    ours, theirs = ends
    ours.send(Kind.DRAIN)
    theirs.close()
    assert ours.receive() == []
    assert not ours.is_open


def test_send_to_an_end_that_is_gone_is_false(ends):
    ours, theirs = ends
    theirs.close()
    assert not ours.send(Kind.DRAIN)


def test_send_to_an_end_that_reads_nothing_is_false_once_the_queue_is_full(ends):
    ours, _ = ends
    sent = 0
    while ours.send(Kind.DRAIN, bytes(1000)):
        sent += 1
    assert sent > 1


def test_send_on_a_closed_end_is_false(ends):
    ours, _ = ends
    ours.close()
    assert not ours.send(Kind.STOP)


def test_ends_are_closed_on_exec_and_never_block(ends):
    for end in ends:
        assert not os.get_inheritable(end.fileno())
        assert not os.get_blocking(end.fileno())


def test_master_and_worker_kinds_are_apart():
    assert {Kind.DRAIN, Kind.STOP, Kind.REOPEN} <= {kind for kind in Kind if kind >= 64}
    assert {Kind.READY, Kind.DRAINING, Kind.FAILED, Kind.WORN} <= {k for k in Kind if k < 64}


def test_descriptors_arrive_with_their_message_and_are_closed_on_exec(ends):
    ours, theirs = ends
    read_fd, write_fd = os.pipe()
    assert theirs.send(Kind.READY, b"", [write_fd])
    os.close(write_fd)
    (message,) = ours.receive()
    (fd,) = message.fds
    assert not os.get_inheritable(fd)
    os.write(fd, b"x")
    assert os.read(read_fd, 1) == b"x"
    message.discard()
    assert os.read(read_fd, 1) == b""
    os.close(read_fd)


def test_unknown_kind_closes_the_channel_and_its_descriptors(caplog):
    sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    receiver.setblocking(False)
    channel = Channel(receiver)
    read_fd, write_fd = os.pipe()
    socket.send_fds(sender, [bytes([63])], [write_fd])
    os.close(write_fd)
    assert channel.receive() == []
    assert not channel.is_open
    assert os.read(read_fd, 1) == b""
    for end in (sender, channel):
        end.close()
    os.close(read_fd)


def test_start_error_survives_the_channel():
    error = StartError(ExitCode.NO_MODULE, "no module named 'ä'", "Traceback\n  line\n")
    again = StartError.unpack(error.pack(MESSAGE_BYTES))
    assert (again.code, again.line, again.traceback) == (error.code, error.line, error.traceback)


@pytest.mark.parametrize("letter", ["x", "ä", "\n", "\N{SNAKE}"])
def test_start_error_with_a_huge_traceback_fits_and_keeps_its_end(letter):
    error = StartError(ExitCode.IMPORT_FAILED, "x" * 10**5, letter * 10**5 + "the end")
    packed = error.pack(MESSAGE_BYTES - 1)
    assert len(packed) < MESSAGE_BYTES
    assert StartError.unpack(packed).traceback.endswith("the end")


def test_channel_takes_a_message_from_any_process_that_has_the_socket():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    channel = Channel(ours)
    pid = os.fork()
    if pid == 0:
        theirs.send(bytes([Kind.READY]) + b"streams")
        os._exit(0)
    os.waitpid(pid, 0)
    assert channel.receive() == [Message(Kind.READY, b"streams")]
    channel.close()
    theirs.close()
