"""TlsEngine: bytes in, bytes out, without a socket."""

import gc
import itertools
import ssl
import tracemalloc
import weakref

import pytest

from ngxloop.transports.tlsengine import TRANSITIONS, TlsEngine
from ngxloop.transports.tlsmemory import TlsMemory
from tests.probes.tlsengine import EngineProbe
from tests.support.engines import TLS_12, TLS_13, encrypted, engine_pair, shake_hands, wrapped_pair
from tests.support.randomness import printed_random
from tests.support.tls import DAMAGED_RECORD, client_context, server_context

VERSIONS = pytest.mark.parametrize("version", [TLS_12, TLS_13], ids=["tls12", "tls13"])

# What a record can hold, and what the engine encrypts in one go.
RECORD_BYTES = 16384
SLICE_BYTES = 16384  # TLS_SLICE_BYTES in limits.pxd


def record_count(ciphertext: bytes) -> int:
    count = 0
    while ciphertext:
        size = int.from_bytes(ciphertext[3:5])
        ciphertext = ciphertext[5 + size :]
        count += 1
    return count


# ---- states


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.permutations(TRANSITIONS, 2)), ids=lambda state: state
)
def test_engine_moves_as_the_table_says_and_no_other_way(before, after):
    path = {
        "new": [],
        "handshake": ["handshake"],
        "wrapped": ["handshake", "wrapped"],
        "flushing": ["handshake", "wrapped", "flushing"],
        "shutdown": ["handshake", "wrapped", "flushing", "shutdown"],
        "closed": ["closed"],
    }
    engine, _ = engine_pair()
    for state in path[before]:
        engine.move(state)

    if after in TRANSITIONS[before]:
        engine.move(after)
        assert engine.state == after
    else:
        with pytest.raises(RuntimeError, match=f"cannot switch state from {before} to {after}"):
            engine.move(after)
        assert engine.state == before


def test_every_state_leads_to_closed():
    assert all("closed" in following for state, following in TRANSITIONS.items() if following)
    assert {state for state, following in TRANSITIONS.items() if not following} == {"closed"}


def test_engine_init_a_second_time_is_refused():
    engine = TlsEngine(TlsMemory(), client_context(), False, "localhost")

    with pytest.raises(RuntimeError, match="called twice"):
        engine.__init__(TlsMemory(), client_context())


def test_engine_of_a_context_of_the_wrong_side_raises_what_the_context_raises():
    with pytest.raises((ssl.SSLError, ValueError)):  # ValueError since Python 3.14
        TlsEngine(TlsMemory(), client_context(), True)


# ---- handshake


@VERSIONS
def test_handshake_of_two_engines_ends_on_both_sides(version):
    client, server = wrapped_pair(version)

    assert client.state == server.state == "wrapped"
    assert client.ssl_object.version() == server.ssl_object.version()
    assert client.ssl_object.version() == {TLS_12: "TLSv1.2", TLS_13: "TLSv1.3"}[version]


def test_handshake_byte_by_byte_ends():
    client, server = engine_pair()
    client.move("handshake")
    server.move("handshake")
    client.handshake()
    for byte in client.take_output():
        assert not server.readable
        server.feed(bytes([byte]))
    assert server.readable
    assert not server.handshake()
    client.feed(server.take_output())
    assert client.handshake()


def test_handshake_with_what_is_no_tls_raises_and_leaves_an_alert():
    _, server = engine_pair()
    server.move("handshake")
    server.feed(b"GET / HTTP/1.0\r\n\r\n")

    assert server.readable
    with pytest.raises(ssl.SSLError, match="HTTP_REQUEST"):
        server.handshake()


def test_handshake_with_an_unknown_certificate_raises_and_leaves_an_alert():
    memory = TlsMemory()
    client = EngineProbe(memory, ssl.create_default_context(), False, "localhost")
    server = EngineProbe(memory, server_context(), True)

    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(client, server)
    assert client.take_output()


# ---- data


@VERSIONS
@pytest.mark.parametrize(
    "size",
    [1, 1024, RECORD_BYTES, RECORD_BYTES + 1, SLICE_BYTES, SLICE_BYTES + 1, 300_000, 1_000_000],
    ids=lambda size: f"{size}_bytes",
)
def test_data_of_any_size_comes_out_as_it_went_in(version, size):
    client, server = wrapped_pair(version)
    data = bytes(i % 251 for i in range(size))

    assert server.decrypt(encrypted(client, data)) == data
    assert client.decrypt(encrypted(server, data)) == data
    assert client.unsent_bytes == server.unsent_bytes == 0
    assert client.unread_bytes == server.unread_bytes == 0


def test_data_in_random_chunks_comes_out_whole():
    random = printed_random()
    client, server = wrapped_pair()
    sent, received = bytearray(), bytearray()
    for _ in range(200):
        chunks = [random.randbytes(random.choice([1, 5, 700, 20_000, 50_000])) for _ in range(3)]
        sent += b"".join(chunks)
        ciphertext = encrypted(client, *chunks)
        while ciphertext:
            step = random.choice([1, 3, 1000, 20_000, 100_000])
            received += server.decrypt(ciphertext[:step])
            ciphertext = ciphertext[step:]

    assert received == sent
    assert not server.readable


def test_small_writes_become_one_record():
    client, server = wrapped_pair()
    chunks = [b"header: ", b"value\r\n", b"\r\n", b"body" * 1000]

    ciphertext = encrypted(client, *chunks)

    assert record_count(ciphertext) == 1
    assert server.decrypt(ciphertext) == b"".join(chunks)


def test_a_large_write_is_encrypted_in_slices():
    client, _ = wrapped_pair()
    client.write(bytes(1_000_000))

    first = client.encrypt()

    assert SLICE_BYTES <= len(first) < SLICE_BYTES + 1000
    assert client.unsent_bytes == 1_000_000 - SLICE_BYTES


def test_nothing_is_encrypted_before_the_handshake():
    client, _server = engine_pair()
    client.write(b"early")
    client.move("handshake")

    assert client.encrypt() == b""
    assert client.unsent_bytes == 5


def test_a_part_of_a_record_is_not_readable():
    client, server = wrapped_pair()
    ciphertext = encrypted(client, b"hello")

    assert server.decrypt(ciphertext[:-1]) == b""
    assert not server.readable
    server.feed(ciphertext[-1:])
    assert server.readable
    assert server.decrypt() == b"hello"


@pytest.mark.parametrize("begun", [6, 5000, 16000], ids=lambda size: f"{size}-bytes")
def test_all_comes_out_when_openssl_has_taken_the_beginning_of_a_record(begun):
    client, server = engine_pair()
    shake_hands(client, server)  # the session tickets that wait are read together with what follows
    data = bytes(100_000)
    ciphertext = encrypted(server, data)

    assert client.decrypt(ciphertext[:begun]) == b""
    assert client.unread_bytes == 0
    assert client.decrypt(ciphertext[begun:]) == data


@pytest.mark.parametrize("size", [1, 3, 10, 11], ids=lambda size: f"room_of_{size}")
def test_reading_with_little_room_brings_all_in_order(size):
    client, server = wrapped_pair()
    server.feed(encrypted(client, b"0123456789") + encrypted(client, b"abcdefghij"))

    pieces = []
    while server.readable:
        pieces.append(server.read_into(size))

    assert b"".join(pieces) == b"0123456789abcdefghij"
    assert all(len(piece) == size for piece in pieces[:-1])


def test_reading_never_raises_when_nothing_is_there():
    _, server = wrapped_pair()

    assert server.read_into(100) == b""
    assert server.decrypt() == b""


def test_a_damaged_record_raises():
    client, server = wrapped_pair()
    ciphertext = bytearray(encrypted(client, b"hello"))
    ciphertext[-1] ^= 1

    with pytest.raises(ssl.SSLError, match=DAMAGED_RECORD):
        server.decrypt(bytes(ciphertext))


def test_what_came_before_a_damaged_record_is_not_lost():
    client, server = wrapped_pair()
    damaged = bytearray(encrypted(client, b"good") + encrypted(client, b"bad"))
    damaged[-1] ^= 1

    assert server.decrypt(bytes(damaged)) == b"good"
    assert isinstance(server.failure, ssl.SSLError)
    assert not server.readable


def test_what_came_many_slices_before_a_damaged_record_is_not_lost():
    client, server = wrapped_pair()
    damaged = bytearray(encrypted(client, bytes(100_000)) + encrypted(client, bytes(100_000)))
    damaged[-1] ^= 1
    last_record_bytes = 200_000 - 100_000 - 100_000 // RECORD_BYTES * RECORD_BYTES

    assert server.decrypt(bytes(damaged)) == bytes(200_000 - last_record_bytes)
    assert isinstance(server.failure, ssl.SSLError)


def test_data_that_was_fed_before_comes_out_first():
    client, server = wrapped_pair()
    for piece in (b"a" * 50_000, b"b" * 300_000):
        server.feed(encrypted(client, piece))
    begun = server.read_into(10_000)

    assert begun + server.decrypt(encrypted(client, b"c")) == b"a" * 50_000 + b"b" * 300_000 + b"c"
    assert not server.readable


def test_plain_bytes_in_the_middle_raise():
    _, server = wrapped_pair()

    with pytest.raises(ssl.SSLError):
        server.decrypt(b"not encrypted at all")


# ---- the end


@VERSIONS
def test_close_notify_is_seen_after_the_data(version):
    client, server = wrapped_pair(version)
    ciphertext = encrypted(client, b"last words")
    assert not client.unwrap()

    assert server.decrypt(ciphertext + client.take_output()) == b"last words"
    assert server.peer_closed
    assert server.unwrap()
    client.feed(server.take_output())
    assert client.unwrap()


def test_data_after_our_close_notify_is_an_error():
    client, server = wrapped_pair()
    client.unwrap()
    client.feed(encrypted(server, b"too late"))

    with pytest.raises(ssl.SSLError, match="APPLICATION_DATA_AFTER_CLOSE_NOTIFY"):
        client.unwrap()


# ---- what is not OpenSSL's usual way


def test_a_subclass_of_ssl_object_is_called():
    calls = []

    class Counting(ssl.SSLObject):
        def read(self, *args):
            calls.append("read")
            return super().read(*args)

        def write(self, data):
            calls.append("write")
            return super().write(data)

    client, server = engine_pair()
    context = server_context()
    context.sslobject_class = Counting
    server = EngineProbe(TlsMemory(), context, True)
    shake_hands(client, server)
    server.decrypt(encrypted(client, b"hello"))
    encrypted(server, b"hello")

    assert calls == ["read", "write"]


def test_engine_that_is_dropped_frees_its_ssl_object_at_once():
    client, server = wrapped_pair()
    client.write(b"unsent")
    reference = weakref.ref(client.ssl_object)
    gc.disable()
    try:
        del client
        assert reference() is None
    finally:
        gc.enable()
    del server


def test_an_engine_costs_little_python_memory():
    memory = TlsMemory()
    context = server_context()
    engines = [EngineProbe(memory, context, True)]
    tracemalloc.start()
    try:
        engines += [EngineProbe(memory, context, True) for _ in range(100)]
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert used / 100 < 2000
