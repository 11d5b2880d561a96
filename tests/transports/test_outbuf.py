"""OutBuffer: nothing lost, nothing doubled, nothing kept, however little the kernel takes."""

import errno
import itertools
import socket
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.probes.outbuf import OutBufferProbe
from tests.support.randomness import printed_random
from tests.support.sockets import drain, fill, tcp_pair, unix_pair


@pytest.fixture
def pair():
    """Give a socket that takes little at once, and its peer."""
    with unix_pair() as (ours, peer):
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)  # the kernel's minimum, 4.5 KiB
        yield ours, peer


def filled(*chunks: bytes) -> OutBufferProbe:
    buf = OutBufferProbe()
    for chunk in chunks:
        buf.append(chunk)
    return buf


def numbered(sizes) -> list[bytes]:
    """Return chunks of these sizes whose bytes tell them apart."""
    return [bytes([number % 251]) * size for number, size in enumerate(sizes)]


def test_buffer_new_is_empty(pair):
    buf = OutBufferProbe()

    assert (buf.size, buf.content(), buf.kept_count) == (0, b"", 0)
    assert buf.send(pair[0].fileno()) == "all"


@pytest.mark.parametrize("size", [10, 100], ids=lambda n: f"{n}_bytes")
@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 200], ids=lambda n: f"{n}_chunks")
def test_send_of_chunks_sends_them_in_order(count, size):
    chunks = numbered([size] * count)
    with unix_pair() as (ours, peer):
        buf = filled(*chunks)

        outcome = buf.send(ours.fileno())

        assert outcome == "all"
        assert drain(peer) == b"".join(chunks)
    assert (buf.size, buf.kept_count) == (0, 0)


@pytest.mark.parametrize("last_size", [0, 1, 2], ids=["below", "at", "above"])
@pytest.mark.parametrize("taken", [0, 1, 1000, 2500], ids=lambda n: f"after_{n}_bytes")
def test_send_around_the_size_that_is_joined_sends_what_is_left(taken, last_size):
    chunks = numbered([1000, 1000, 1000, 1095 + taken, last_size])[: 5 if last_size else 4]
    with unix_pair() as (ours, peer):
        buf = filled(*chunks)
        buf.consume(taken)

        assert buf.send(ours.fileno()) == "all"
        assert drain(peer) == b"".join(chunks)[taken:]


def test_send_into_a_full_socket_is_blocked_and_keeps_everything(pair):
    ours, _ = pair
    fill(ours)
    buf = filled(b"one", b"two")

    assert buf.send(ours.fileno()) == "blocked"
    assert buf.content() == b"onetwo"


def test_send_to_a_peer_that_is_gone_fails_with_its_errno(pair):
    ours, peer = pair
    peer.close()
    buf = filled(b"one", b"two")

    assert buf.send(ours.fileno()) == "failed"
    assert buf.error == errno.EPIPE


@pytest.mark.parametrize("count", [1, 3, 100, 1000], ids=lambda n: f"{n}_chunks")
def test_large_output_leaves_bit_by_bit_and_whole(pair, count):
    ours, peer = pair
    chunks = numbered([1_000_000 // count] * count)
    buf = filled(*chunks)
    received = bytearray()
    blocked_count = 0

    while buf.send(ours.fileno()) == "blocked":
        blocked_count += 1
        assert buf.content() == b"".join(chunks)[-buf.size :]
        received += drain(peer)
    received += drain(peer)

    assert received == b"".join(chunks)
    assert blocked_count > 10


def test_random_appends_and_sends_lose_nothing():
    rng = printed_random()
    sent, received = bytearray(), bytearray()
    with tcp_pair() as (ours, peer):
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        buf = OutBufferProbe()
        for _ in range(2000):
            chunk = rng.randbytes(rng.choice([1, 2, 100, 5000]))
            buf.append(chunk)
            sent += chunk
            if rng.random() < 0.3:
                buf.send(ours.fileno())
            if rng.random() < 0.5:
                received += read_some(peer, rng.randrange(1, 10_000))
        while buf.send(ours.fileno()) != "all":
            received += drain(peer)
        ours.close()
        peer.setblocking(True)
        while data := peer.recv(65536):
            received += data

    assert received == sent


def read_some(sock: socket.socket, size: int) -> bytes:
    try:
        return sock.recv(size)
    except BlockingIOError:
        return b""


@given(st.lists(st.integers(1, 5), min_size=1, max_size=200), st.data())
def test_consume_of_any_amounts_leaves_the_rest(sizes, data):
    chunks = numbered(sizes)
    buf = filled(*chunks)
    content = b"".join(chunks)

    while len(content) > 1 and data.draw(st.booleans()):
        count = data.draw(st.integers(1, len(content) - 1))
        buf.consume(count)
        content = content[count:]
        assert buf.content() == content
        assert buf.size == len(content)


def test_consume_across_appends_matches_a_string():
    rng = printed_random()
    buf, content = OutBufferProbe(), b""

    for _ in range(5000):
        if rng.random() < 0.5 or len(content) < 2:
            chunk = rng.randbytes(rng.randrange(1, 20))
            buf.append(chunk)
            content += chunk
        else:
            count = rng.randrange(1, min(len(content), 100))
            buf.consume(count)
            content = content[count:]
        assert buf.size == len(content)
    assert buf.content() == content


def test_bytes_are_kept_by_reference_and_let_go_when_sent():
    chunks = [bytes([number]) * 100 for number in range(10)]
    before = [sys.getrefcount(chunk) for chunk in chunks]
    buf = filled(*chunks)
    kept = [sys.getrefcount(chunk) for chunk in chunks]

    for number in range(9):
        buf.consume(100)
        assert sys.getrefcount(chunks[number]) <= before[number] + 1
    buf.clear()

    assert kept == [count + 1 for count in before]
    assert [sys.getrefcount(chunk) for chunk in chunks] == before


def test_chunks_sent_of_an_endless_stream_do_not_pile_up():
    buf = filled(b"first")

    for number in itertools.count():
        buf.append(b"%d" % number)
        buf.append(b"%d" % number)
        buf.consume(len(b"%d" % number))
        if number > 1000:
            break
        assert buf.kept_count <= number + 3 + 64


@pytest.mark.parametrize("sizes", [[5], [5, 6], [5] * 200], ids=["one", "two", "many"])
def test_clear_forgets_everything(sizes):
    buf = filled(*numbered(sizes))
    buf.consume(3)

    buf.clear()

    assert (buf.size, buf.content(), buf.kept_count) == (0, b"", 0)
    buf.append(b"new")
    assert buf.content() == b"new"
