"""TlsRecords: whole records are counted, however their bytes come."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.probes.tlsengine import RecordsProbe


def record(size: int, kind: int = 23) -> bytes:
    return struct.pack(">BHH", kind, 0x0303, size) + bytes(size)


def counted(*chunks: bytes) -> RecordsProbe:
    records = RecordsProbe()
    for chunk in chunks:
        records.add(chunk)
    return records


@pytest.mark.parametrize("size", [0, 1, 16384, 18432], ids=lambda size: f"{size}_bytes")
def test_record_counts_only_when_its_last_byte_has_come(size):
    data = record(size)

    assert counted(data[:-1]).count == 0
    assert counted(data[:-1], data[-1:]).count == 1
    assert counted(data).count == 1


@pytest.mark.parametrize("kind", [20, 21, 22, 23, 24])
def test_every_type_of_record_is_known(kind):
    assert not counted(record(5, kind)).opaque


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.0\r\n",
        b"\x80\x2e\x01\x03\x01",
        record(5, 19),
        record(5, 25),
        b"\x17\x02\0\0\0",
    ],
    ids=["http", "sslv2", "type_19", "type_25", "version_2"],
)
def test_what_is_no_record_is_opaque(data):
    assert counted(data).opaque


def test_a_record_longer_than_any_is_opaque():
    assert counted(struct.pack(">BHH", 23, 0x0303, 18433)).opaque


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [
        ([100, 16384, 200], 16494),
        ([16384, 16384], 16389),
        ([16379, 16379], 16384),
        ([10_000, 10_000, 10_000], 20_010),
        ([100, 200], 310),
    ],
    ids=str,
)
def test_a_slice_ends_with_the_record_that_makes_it_full(sizes, taken):
    records = RecordsProbe()
    data = b"".join(record(size) for size in sizes)

    assert records.add(data) == taken
    assert records.add(data[taken:]) == len(data) - taken
    assert records.count == len(sizes)


def test_a_slice_of_what_is_no_record_is_cut_anywhere():
    records = RecordsProbe()

    assert records.add(b"GET / HTTP/1.0\r\n" * 10_000) == 16384


@given(st.lists(st.integers(0, 300), max_size=20), st.lists(st.integers(1, 400), min_size=1))
def test_records_in_pieces_of_any_size_are_counted(sizes, steps):
    data = b"".join(record(size) for size in sizes)
    records = RecordsProbe()
    position = 0
    while position < len(data):
        for step in steps:
            records.add(data[position : position + step])
            position += step

    assert records.count == len(sizes)
    assert not records.opaque
