"""The bytes that every stream carries: from its position a receiver knows what is due."""

import random

# Random, so that no shift by less than its size goes unseen.
_SIZE = 1 << 20
_BLOCK = random.Random(0).randbytes(_SIZE)
_TWICE = memoryview(_BLOCK + _BLOCK)

# Sizes that were worth a special case to somebody: none, small, a TLS record, the loop's buffer.
SIZES = [0, 1, 10, 100, 1_000, 10_000, 16_384, 65_536, 100_000, 262_144, 300_000]


def piece(position: int, size: int) -> bytes:
    """Return `size` bytes of the endless pattern, at most 1 MiB, from `position` on."""
    start = position % _SIZE
    return bytes(_TWICE[start : start + size])


def is_piece(data: bytes | bytearray | memoryview, position: int) -> bool:
    """Tell whether the data, of any length, are the pattern's bytes from `position` on."""
    view = memoryview(data)
    return all(
        view[offset : offset + _SIZE] == piece(position + offset, min(_SIZE, len(view) - offset))
        for offset in range(0, len(view), _SIZE)
    )
