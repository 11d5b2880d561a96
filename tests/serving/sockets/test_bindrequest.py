"""A request to bind is one that a program sends, or it is refused and leaves nothing behind."""

import contextlib
import json
import os
import random
import socket

import pytest

from ngxloop.serving.base.badmessage import BadMessageError
from ngxloop.serving.process.message import Message, MessageKind
from ngxloop.serving.sockets.bindrequest import BindRequest, ReceivedRequest
from tests.support.leaks import fds_opened_since, open_fds

INET, INET6, UNIX = map(int, (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX))
STREAM, DGRAM = int(socket.SOCK_STREAM), int(socket.SOCK_DGRAM)
GOOD = {
    "port": [INET, STREAM, ["127.0.0.1", 8000], None],
    "any port": [INET, STREAM, ["0.0.0.0", 0], 3],
    "IPv6": [INET6, STREAM, ["fe80::1", 8000, 0, 2], None],
    "any IPv6 port": [INET6, STREAM, ["::", 0, 0, 0], 0],
    "datagrams": [INET, DGRAM, ["127.0.0.1", 8000], None],
    "path": [UNIX, STREAM, "/run/a.sock", None],
    "path that is not text": [UNIX, STREAM, "/run/\udcff.sock", None],
    "longest path": [UNIX, STREAM, "/" + "a" * 106, None],
    "longest escapes": [UNIX, STREAM, "/" + "\udcff" * 106, None],
    "abstract": [UNIX, STREAM, "\0name", None],
    "abstract with zeros": [UNIX, STREAM, "\0" + "\0a" * 53, None],
    "Unix datagrams": [UNIX, DGRAM, "/run/a.sock", None],
}
BAD = {
    "not text": b"\xff\xfe",
    "empty": b"",
    "no list": b'{"family": 2}',
    "three fields": [INET, STREAM, ["127.0.0.1", 80]],
    "five fields": [INET, STREAM, ["127.0.0.1", 80], None, 1],
    "nested": b"[" * 1024,
    "too long": b" " * 2000 + json.dumps(GOOD["port"]).encode(),
    "a huge number": b"[" + b"9" * 1000 + b",1,1,1]",
    "netlink": [int(socket.AF_NETLINK), int(socket.SOCK_RAW), [0, 1], None],
    "packet": [int(socket.AF_PACKET), int(socket.SOCK_RAW), ["lo", 3], None],
    "vsock": [40, STREAM, [1, 80], None],
    "raw": [INET, int(socket.SOCK_RAW), ["127.0.0.1", 0], None],
    "sequenced packets": [UNIX, int(socket.SOCK_SEQPACKET), "/run/a", None],
    "true": [True, True, "/run/a", None],
    "floats": [float(INET), STREAM, ["127.0.0.1", 80], None],
    "a family as text": ["2", STREAM, ["127.0.0.1", 80], None],
    "a negative family": [-2, STREAM, ["127.0.0.1", 80], None],
    "port 65536": [INET, STREAM, ["127.0.0.1", 65536], None],
    "port -1": [INET, STREAM, ["127.0.0.1", -1], None],
    "port as text": [INET, STREAM, ["127.0.0.1", "80"], None],
    "port as a list": [INET, STREAM, ["127.0.0.1", [80]], None],
    "port true": [INET, STREAM, ["127.0.0.1", True], None],
    "no port": [INET, STREAM, ["127.0.0.1"], None],
    "a name": [INET, STREAM, ["localhost", 80], None],
    "an empty host": [INET, STREAM, ["", 80], None],
    "a host with a zero": [INET, STREAM, ["127.0.0.1\0", 80], None],
    "a host of no text": [INET, STREAM, [1, 80], None],
    "IPv6 as IPv4": [INET, STREAM, ["::1", 80], None],
    "a zone": [INET6, STREAM, ["fe80::1%lo", 80, 0, 0], None],
    "IPv6 without scope": [INET6, STREAM, ["::1", 80], None],
    "scope 2**32": [INET6, STREAM, ["::1", 80, 0, 2**32], None],
    "flow 2**20": [INET6, STREAM, ["::1", 80, 2**20, 0], None],
    "a path for TCP": [INET, STREAM, "/run/a.sock", None],
    "an address for Unix": [UNIX, STREAM, ["127.0.0.1", 80], None],
    "a relative path": [UNIX, STREAM, "a.sock", None],
    "no path": [UNIX, STREAM, "", None],
    "a path with a zero": [UNIX, STREAM, "/run/a\0b", None],
    "a path of 108 bytes": [UNIX, STREAM, "/" + "a" * 107, None],
    "an abstract name of 109 bytes": [UNIX, STREAM, "\0" + "a" * 108, None],
    "half a surrogate pair": [UNIX, STREAM, "/run/\ud800", None],
    "a number for a port": [INET, STREAM, ["127.0.0.1", 80], 0],
    "no number for port 0": [INET, STREAM, ["127.0.0.1", 0], None],
    "a number for a path": [UNIX, STREAM, "/run/a", 0],
    "a number for datagrams": [INET, DGRAM, ["127.0.0.1", 0], 0],
    "a negative number": [INET, STREAM, ["127.0.0.1", 0], -1],
    "a number of 32 bits": [INET, STREAM, ["127.0.0.1", 0], 2**31],
}


def payload_of(fields):
    return fields if isinstance(fields, bytes) else json.dumps(fields).encode()


@pytest.fixture
def descriptors():
    """Make descriptors that a worker might send; what is left of them is closed."""
    before = open_fds()
    kept = []

    def keep(*socks):
        kept.extend(socks)
        return socks

    yield keep
    for sock in kept:
        sock.close()
    assert fds_opened_since(before) == []


def message_of(fields, *fds):
    return Message(MessageKind.BIND, payload_of(fields), fds)


def reply_pair(keep):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    keep(ours)
    return theirs.detach()


@pytest.mark.parametrize("fields", GOOD.values(), ids=GOOD.keys())
def test_what_programs_send_is_read_as_it_was_written(fields):
    request = BindRequest.unpack(payload_of(fields))
    assert json.loads(request.pack()) == fields
    assert BindRequest.unpack(request.pack()) == request


@pytest.mark.parametrize("fields", BAD.values(), ids=BAD.keys())
def test_anything_else_is_malformed(fields):
    with pytest.raises(BadMessageError):
        BindRequest.unpack(payload_of(fields))


@pytest.mark.parametrize("name", GOOD.keys())
def test_a_request_that_was_changed_at_random_is_read_or_malformed(name):
    source = random.Random(name)
    original = payload_of(GOOD[name])
    refused_count = 0
    for _ in range(2000):
        try:
            request = BindRequest.unpack(mutate(source, original))
        except BadMessageError:
            refused_count += 1
        else:
            request.check()
            hash(request)
    assert refused_count


def mutate(source, original):
    """Return a few random changes: bytes replaced, doubled, cut out, or pieces of JSON put in."""
    payload = bytearray(original)
    for _ in range(source.randint(1, 3)):
        place = source.randrange(len(payload) + 1)
        end = place + source.randint(0, 4)
        payload[place:end] = source.choice(
            [
                source.randbytes(source.randint(0, 3)),
                bytes(payload[place:end]) * 2,
                source.choice([b"[", b"]", b",", b'"', b"null", b"-1", b"1e9", b"NaN", b"\\ud800"]),
            ]
        )
    return bytes(payload)


@pytest.mark.parametrize("count", [0, 1, 3, 20])
def test_a_wrong_number_of_descriptors_is_malformed(descriptors, count):
    fds = [socket.socket().detach() for _ in range(count)]
    with pytest.raises(BadMessageError, match=f"{count} descriptors"):
        ReceivedRequest.take(message_of(GOOD["port"], *fds))


OTHERS = {
    "datagrams": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).detach(),
    "IPv6": lambda: socket.socket(socket.AF_INET6).detach(),
    "Unix": lambda: socket.socket(socket.AF_UNIX).detach(),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).detach(),
    "a file": lambda: os.open("/dev/null", os.O_RDONLY),
    "a path": lambda: os.open("/", os.O_PATH),
    "an eventfd": lambda: os.eventfd(0),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("place", [0, 1], ids=["to answer at", "to bind"])
def test_another_kind_of_descriptor_is_malformed(descriptors, make, place):
    fds = [reply_pair(descriptors), socket.socket().detach()]
    os.close(fds[place])
    fds[place] = make()
    with pytest.raises(BadMessageError):
        ReceivedRequest.take(message_of(GOOD["port"], *fds))


def test_a_connected_socket_is_malformed(descriptors):
    server = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(server.getsockname())
    descriptors(server)
    fds = (reply_pair(descriptors), client.detach())
    with pytest.raises(BadMessageError, match="connected"):
        ReceivedRequest.take(message_of(GOOD["any port"], *fds))


def test_an_answer_to_a_full_queue_is_dropped_without_waiting(descriptors):
    _, theirs = descriptors(*socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
    fill(theirs, b"x")
    theirs.setblocking(True)
    fds = (os.dup(theirs.fileno()), socket.socket().detach())
    request = ReceivedRequest.take(message_of(GOOD["port"], *fds))
    request.answer(b"b")
    request.close()


def fill(sock, data):
    """Send until the queue is full."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(data)
