"""The newest report of the master, in memory that it shares with the status process.

Why not a pipe. The master never waits for the reader, and keeps nothing for it: each report
replaces the one before, read or not. A reader gets the newest one, and sees how old it is.

How a report is whole. There is one writer. A checksum covers the report, so a reader that meets the
writer at work, or memory in which the processor has stored in another order, reads again. A master
that stops in the middle of a report leaves none: the reader keeps the one before, which grows old.
"""

import json
import mmap
import struct
import time
import zlib
from typing import Any

SNAPSHOT_BYTES = 1024 * 1024  # the largest report; pages that are not used cost nothing
_HEADER = struct.Struct("=QQI")  # time (ns, monotonic), length, checksum
_DATA = 64
_ATTEMPTS = 100


def pack_report(report: dict[str, Any]) -> bytes:
    """Return a report as it is put into the memory; lists that are too long lose their ends.

    Workers, of whom there may be thousands, and the sockets of their programs, with names that the
    programs choose: the longer list is halved until the report fits.
    """
    packed = json.dumps(report).encode()
    while len(packed) > SNAPSHOT_BYTES and (report["workers"] or report["listeners"]):
        name = max(("workers", "listeners"), key=lambda name: len(json.dumps(report[name])))
        report[name] = report[name][: len(report[name]) // 2]
        packed = json.dumps(report).encode()
    return packed


class SnapshotMemory:
    """Room for one report; made before the fork."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _DATA + SNAPSHOT_BYTES)
        self._last = b"{}"
        self._last_ns = time.monotonic_ns()

    def write(self, report: bytes) -> None:
        """Replace the report; in the master only.

        Raises:
            ValueError: It has more than SNAPSHOT_BYTES.
        """
        if len(report) > SNAPSHOT_BYTES:
            raise ValueError(f"a report has at most {SNAPSHOT_BYTES} bytes, not {len(report)}")
        self._memory[_DATA : _DATA + len(report)] = report
        header = (time.monotonic_ns(), len(report))
        _HEADER.pack_into(self._memory, 0, *header, _checksum(report, *header))

    def read(self) -> tuple[bytes, float]:
        """Return the newest whole report, and its age in seconds."""
        for _ in range(_ATTEMPTS):
            made_ns, length, checksum = _HEADER.unpack_from(self._memory)
            report = self._memory[_DATA : _DATA + min(length, SNAPSHOT_BYTES)]
            if checksum == _checksum(report, made_ns, length):
                self._last, self._last_ns = report, made_ns
                break
        return self._last, (time.monotonic_ns() - self._last_ns) / 1e9

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()


def _checksum(report: bytes, made_ns: int, length: int) -> int:
    return zlib.crc32(report, zlib.crc32(b"%d %d" % (made_ns, length)))
