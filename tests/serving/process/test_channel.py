"""Messages between master and worker arrive whole, or the end of file does."""

import json
import os
import resource
import socket
import threading

import pytest

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.process.channel import Channel, channel_pair
from ngxloop.serving.process.message import FORMS, MESSAGE_BYTES, Message, MessageKind, Speaker
from tests.serving.support import can_refuse_descriptors


@pytest.fixture
def ends():
    ours, theirs = channel_pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order(ends):
    ours, theirs = ends
    assert theirs.send(MessageKind.READY, b"asgi")
    assert theirs.send(MessageKind.DRAINING)
    assert ours.receive() == [
        Message(MessageKind.READY, b"asgi"),
        Message(MessageKind.DRAINING, b""),
    ]
    assert ours.receive() == []
    assert ours.is_open


def packed_error(size):
    """Return a FAILED payload of that many bytes."""
    empty = len(StartError(ExitCode.INTERNAL, "").pack(MESSAGE_BYTES))
    return StartError(ExitCode.INTERNAL, "", "x" * (size - empty)).pack(MESSAGE_BYTES)


def test_largest_message_arrives_whole(ends):
    ours, theirs = ends
    payload = packed_error(MESSAGE_BYTES - 1)
    assert len(payload) == MESSAGE_BYTES - 1
    assert theirs.send(MessageKind.FAILED, payload)
    assert ours.receive() == [Message(MessageKind.FAILED, payload)]


def test_last_words_are_heard_before_the_end_of_file(ends):
    ours, theirs = ends
    theirs.send(MessageKind.FAILED, packed_error(100))
    theirs.close()
    assert ours.receive() == [Message(MessageKind.FAILED, packed_error(100))]
    assert not ours.is_open
    assert ours.receive() == []


def test_end_that_dies_with_messages_unread_is_an_end_of_file(ends):
    ours, theirs = ends
    ours.send(MessageKind.DRAIN)
    theirs.close()
    assert ours.receive() == []
    assert not ours.is_open


def test_send_to_an_end_that_is_gone_is_false(ends):
    ours, theirs = ends
    theirs.close()
    assert not ours.send(MessageKind.DRAIN)


def test_send_to_an_end_that_reads_nothing_is_false_once_the_queue_is_full(ends):
    ours, _ = ends
    sent = 0
    while ours.send(MessageKind.DRAIN, bytes(1000)):
        sent += 1
    assert sent > 1


def test_send_on_a_closed_end_is_false(ends):
    ours, _ = ends
    ours.close()
    assert not ours.send(MessageKind.STOP)


def test_ends_are_closed_on_exec_and_never_block(ends):
    for end in ends:
        assert not os.get_inheritable(end.fileno())
        assert not os.get_blocking(end.fileno())


def test_every_kind_has_its_form():
    assert set(FORMS) == set(MessageKind)


def test_master_and_worker_kinds_are_apart():
    assert {MessageKind.DRAIN, MessageKind.STOP, MessageKind.REOPEN} <= {
        kind for kind in MessageKind if kind >= 64
    }
    assert {
        MessageKind.READY,
        MessageKind.DRAINING,
        MessageKind.FAILED,
        MessageKind.MAX_REQUESTS_REACHED,
    } <= {k for k in MessageKind if k < 64}


def test_descriptors_arrive_with_their_message_and_are_closed_on_exec(stranger):
    sender, channel = stranger(Speaker.BIND_CLIENT)
    passed = socket.socketpair()
    fds = [end.fileno() for end in passed]
    socket.send_fds(sender, [bytes([MessageKind.BIND]) + b"[]"], fds)
    (message,) = channel.receive()
    assert len(message.fds) == 2
    assert not any(os.get_inheritable(fd) for fd in message.fds)
    assert [os.fstat(fd).st_ino for fd in message.fds] == [
        os.fstat(end.fileno()).st_ino for end in passed
    ]
    message.discard()
    for end in passed:
        end.close()


@pytest.fixture
def stranger():
    """A raw socket, and the channel at its other end, by the sender that it expects."""
    opened = []

    def make(speaker):
        sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        receiver.setblocking(False)
        channel = Channel(receiver, speaker)
        opened.extend((sender, channel))
        return sender, channel

    yield make
    for end in opened:
        end.close()


def error_with(**fields):
    return json.dumps({"code": 7, "line": "x", "traceback": "", **fields}).encode()


MALFORMED = {
    "empty": (b"", "an empty packet"),
    "unknown kind": (b"\x3f", "the unknown kind 63"),
    "highest kind": (b"\xff", "the unknown kind 255"),
    "too large": (bytes(MESSAGE_BYTES + 1), "a packet of more than"),
    "an order": (bytes([MessageKind.STOP]), "STOP, which it never sends"),
    "of a zygote": (bytes([MessageKind.SPAWNED]) + b"1", "SPAWNED, which it never sends"),
    "READY of controls": (bytes([MessageKind.READY]) + b"as\x1b[2J", "a malformed payload"),
    "READY with a newline": (bytes([MessageKind.READY]) + b"asgi\n", "a malformed payload"),
    "READY that is long": (bytes([MessageKind.READY]) + b"a" * 33, "33 bytes"),
    "READY not of text": (bytes([MessageKind.READY]) + b"\xff", "a malformed payload"),
    "DRAINING with a payload": (bytes([MessageKind.DRAINING]) + b"x" * 60000, "60000 bytes"),
    "MAX_REQUESTS_REACHED with a payload": (
        bytes([MessageKind.MAX_REQUESTS_REACHED]) + b"0",
        "1 bytes",
    ),
    "FAILED of nothing": (bytes([MessageKind.FAILED]), "a malformed payload"),
    "FAILED of text": (bytes([MessageKind.FAILED]) + b"why", "a malformed payload"),
    "FAILED of a list": (bytes([MessageKind.FAILED]) + b"[]", "a malformed payload"),
    "FAILED nested": (bytes([MessageKind.FAILED]) + b"[" * 60000, "a malformed payload"),
    "FAILED with a code of text": (bytes([3]) + error_with(code="7"), "a malformed payload"),
    "FAILED with no such code": (bytes([3]) + error_with(code=77), "a malformed payload"),
    "FAILED with success": (bytes([3]) + error_with(code=0), "a malformed payload"),
    "FAILED with true": (bytes([3]) + error_with(code=True), "a malformed payload"),
    "FAILED with a line of numbers": (bytes([3]) + error_with(line=[1]), "a malformed payload"),
    "FAILED with more": (bytes([3]) + error_with(more=1), "a malformed payload"),
    "FAILED not of UTF-8": (bytes([3]) + b"\xff\xfe", "a malformed payload"),
    "BIND, which is for the keeper": (
        bytes([MessageKind.BIND]) + b"[]",
        "BIND, which it never sends",
    ),
    "RELEASE, which is too": (
        bytes([MessageKind.RELEASE]) + b"[]",
        "RELEASE, which it never sends",
    ),
    "BOUND not of UTF-8": (bytes([MessageKind.BOUND]) + b"\xff", "a malformed payload"),
    "BOUND that is long": (bytes([MessageKind.BOUND]) + b"x" * 3000, "3000 bytes"),
    "ASK_LINE with an address": (bytes([MessageKind.ASK_LINE]) + b"[]", "ASK_LINE with"),
    "words of a keeper": (bytes([MessageKind.KEPT]) + b"[]", "KEPT, which it never sends"),
}
MALFORMED_ON_LINES = {
    "empty": (b"", "an empty packet"),
    "READY": (bytes([MessageKind.READY]) + b"asgi", "READY, which it never sends"),
    "BIND without descriptors": (
        bytes([MessageKind.BIND]) + b"[]",
        "the wrong number of descriptors",
    ),
    "KEEP without descriptors": (
        bytes([MessageKind.KEEP]) + b"[]",
        "the wrong number of descriptors",
    ),
    "RELEASE of text": (bytes([MessageKind.RELEASE]) + b"no", "a malformed payload"),
    "RELEASE nested": (bytes([MessageKind.RELEASE]) + b"[" * 2000, "a malformed payload"),
    "RELEASE that is long": (
        bytes([MessageKind.RELEASE]) + b'"' + b"x" * 3000 + b'"',
        "3002 bytes",
    ),
}


@pytest.mark.parametrize(("packet", "fault"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_packet_of_a_worker_makes_the_channel_deaf(stranger, packet, fault):
    sender, channel = stranger(Speaker.WORKER)
    sender.send(packet)
    sender.send(bytes([MessageKind.READY]) + b"asgi")
    assert channel.receive() == []
    assert not channel.is_open
    assert fault in channel.fault
    assert channel.receive() == []


@pytest.mark.parametrize(("packet", "fault"), MALFORMED_ON_LINES.values(), ids=MALFORMED_ON_LINES)
def test_malformed_packet_on_a_line_to_the_keeper_makes_it_deaf(stranger, packet, fault):
    sender, channel = stranger(Speaker.BIND_CLIENT)
    sender.send(packet)
    assert channel.receive() == []
    assert fault in channel.fault


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (MessageKind.KEPT, b"no"),
        (MessageKind.DROPPED, b"-1"),
        (MessageKind.DROPPED, b""),
        (MessageKind.MALFORMED, b"["),
    ],
)
def test_malformed_packet_of_a_keeper_makes_the_channel_deaf(stranger, kind, payload):
    sender, channel = stranger(Speaker.KEEPER)
    sender.send(bytes([kind]) + payload)
    assert channel.receive() == []
    assert "a malformed payload" in channel.fault


def test_message_that_is_sent_surely_waits_for_room(ends):
    ours, theirs = ends
    while theirs.send(MessageKind.DRAINING):
        continue
    assert not theirs.send_surely(MessageKind.DRAINING, seconds=0.05)
    reader = threading.Thread(target=ours.receive)
    reader.start()
    assert theirs.send_surely(MessageKind.DRAINING, seconds=60)
    reader.join()


def test_message_that_is_sent_surely_to_an_end_that_is_gone_is_false(ends):
    ours, theirs = ends
    ours.close()
    assert not theirs.send_surely(MessageKind.DRAINING)
    theirs.close()
    assert not theirs.send_surely(MessageKind.DRAINING)


@pytest.mark.parametrize("number", [b"-1", b"01", b"4194305", b"4294967296", b"9999999999", b"1.0"])
def test_number_that_is_not_of_a_process_is_refused(stranger, number):
    sender, channel = stranger(Speaker.ZYGOTE)
    sender.send(bytes([MessageKind.SPAWNED]) + number)
    assert channel.receive() == []
    assert "SPAWNED with" in channel.fault


@pytest.mark.skipif(not can_refuse_descriptors(), reason="Linux 6.16 is the first that can")
@pytest.mark.parametrize("speaker", [Speaker.WORKER, Speaker.ZYGOTE, Speaker.KEEPER])
def test_descriptor_that_is_sent_to_the_master_stays_with_its_sender(speaker):
    """close() of a file can wait for ever, on a FUSE file system."""
    ours, theirs = channel_pair(speaker)
    with socket.socket() as passed:
        assert not theirs.send(MessageKind.READY, fds=[passed.fileno()])
        assert ours.receive() == []
        assert theirs.send(MessageKind.READY)
        assert ours.send(MessageKind.LINE, b"[]", [passed.fileno()])  # the other way it works
        (message,) = theirs.receive()
        message.discard()
    ours.close()
    theirs.close()


@pytest.mark.parametrize(
    ("kind", "count"),
    [(k, n) for k in MessageKind for n in (1, 3, 64, 65, 253) if n not in FORMS[k].fd_counts],
)
def test_descriptors_where_none_belong_are_closed(stranger, kind, count):
    speaker = next(one for one in Speaker if one in FORMS[kind].speaker)
    sender, channel = stranger(speaker)
    with socket.socket(socket.AF_UNIX) as passed:
        before = len(os.listdir("/proc/self/fd"))
        socket.send_fds(sender, [bytes([kind])], [passed.fileno()] * count)
        assert channel.receive() == []
        assert len(os.listdir("/proc/self/fd")) == before
    assert not channel.is_open
    assert "descriptors" in channel.fault


def test_descriptors_that_are_no_sockets_are_closed(stranger):
    sender, channel = stranger(Speaker.BIND_CLIENT)
    with open(os.devnull, "rb") as file, socket.socket(socket.AF_UNIX) as passed:
        before = len(os.listdir("/proc/self/fd"))
        socket.send_fds(
            sender, [bytes([MessageKind.BIND]) + b"[]"], [passed.fileno(), file.fileno()]
        )
        assert channel.receive() == []
        assert len(os.listdir("/proc/self/fd")) == before
    assert "a descriptor that is not a socket" in channel.fault


def test_message_whose_descriptors_find_no_room_is_lost_and_its_sender_sees_it(stranger):
    sender, channel = stranger(Speaker.BIND_CLIENT)
    reply, asker = socket.socketpair()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with asker:
        with reply:
            socket.send_fds(sender, [bytes([MessageKind.BIND]) + b"[]"], [reply.fileno()] * 2)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
        try:
            assert channel.receive() == []
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert (channel.take_lost_count(), channel.take_lost_count()) == (1, 0)
        assert channel.is_open
        assert asker.recv(1) == b""


@pytest.mark.parametrize("text", [b"nan", b"inf", b"-1", b"1e999", b"now", b"1" * 40])
def test_order_to_drain_for_no_time_at_all_is_none(stranger, text):
    sender, channel = stranger(Speaker.MASTER)
    sender.send(bytes([MessageKind.DRAIN]) + text)
    assert channel.receive() == []
    assert not channel.is_open


@pytest.mark.parametrize("text", [b"", b"0", b"30", b"1e+06", b"0.25"])
def test_order_to_drain_has_seconds_or_nothing(stranger, text):
    sender, channel = stranger(Speaker.MASTER)
    sender.send(bytes([MessageKind.DRAIN]) + text)
    assert channel.receive() == [Message(MessageKind.DRAIN, text)]


def test_messages_of_one_turn_are_as_many_as_the_limit(ends):
    ours, theirs = ends
    while theirs.send(MessageKind.DRAINING):
        continue
    assert len(list(ours.messages(4))) == 4
    assert len(list(ours.messages(4))) == 4
    assert ours.is_open


def test_packet_without_bytes_before_the_end_is_the_end(stranger):
    sender, channel = stranger(Speaker.WORKER)
    sender.send(b"")
    sender.close()
    assert channel.receive() == []
    assert (channel.is_open, channel.fault) == (False, "")


@pytest.mark.parametrize(
    "text", ["\x1b[2J", "a\nb", "\x9b31m", "\u202e", "\ud800", "\u2028", "\x00", "\r"]
)
def test_texts_of_an_error_are_printable(text):
    fields = {"code": 7, "line": f"<{text}>", "traceback": f"<{text}>\n"}
    error = StartError.unpack(json.dumps(fields).encode())
    assert error.line.isprintable()
    assert error.traceback.replace("\n", "").isprintable()
    assert error.line.startswith("<")


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
        theirs.send(bytes([MessageKind.READY]) + b"streams")
        os._exit(0)
    os.waitpid(pid, 0)
    assert channel.receive() == [Message(MessageKind.READY, b"streams")]
    channel.close()
    theirs.close()
