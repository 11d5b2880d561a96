"""A file system whose one file can be opened, and whose close() is answered when it ends only.

It speaks the protocol of /dev/fuse by itself (include/uapi/linux/fuse.h, version 7.12 of 2009,
which every later kernel understands). Root is needed to mount it.
"""

import ctypes
import os
import signal
import struct
from pathlib import Path

import pytest

_LOOKUP, _GETATTR, _OPEN, _RELEASE, _FLUSH, _INIT, _OPENDIR = 1, 3, 14, 18, 25, 26, 27
_SILENT = {2, 36, 42, _FLUSH, _RELEASE}  # 2, 36, 42: FORGET, INTERRUPT and BATCH_FORGET need none
_REQUEST = struct.Struct("<IIQQIIII")
_MNT_DETACH = 2
_REQUEST_BYTES = 128 * 1024
_ROOT, _FILE = 1, 2


def can_mount() -> bool:
    """Say whether there is FUSE, and we may use it."""
    return os.geteuid() == 0 and os.access("/dev/fuse", os.R_OK | os.W_OK)


needs_fuse = pytest.mark.skipif(not can_mount(), reason="root and /dev/fuse are needed")


class HangingFile:
    """The file; to be closed.

    Raises:
        OSError: It cannot be mounted; in a container root often may not.
    """

    def __init__(self, folder: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._folder = os.fsencode(folder)
        self.path = folder / "file"
        device = os.open("/dev/fuse", os.O_RDWR)
        options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % device
        if self._libc.mount(b"hanging", self._folder, b"fuse", 0, options):
            os.close(device)
            raise OSError(ctypes.get_errno(), "mount()")
        self._pid = os.fork()
        if self._pid == 0:
            _serve(device)
            os._exit(0)
        os.close(device)

    def close(self) -> None:
        """End the server: who waits for its answers gets errors. It may be called again."""
        if not self._pid:
            return
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._pid = 0
        self._libc.umount2(self._folder, _MNT_DETACH)


def _serve(device: int) -> None:
    while True:
        request = os.read(device, _REQUEST_BYTES)
        _, kind, unique, node, *_ = _REQUEST.unpack_from(request)
        if kind not in _SILENT:
            error, answer = _answer(kind, node)
            os.write(device, struct.pack("<IiQ", 16 + len(answer), error, unique) + answer)


def _answer(kind: int, node: int) -> tuple[int, bytes]:
    if kind == _INIT:
        return 0, struct.pack("<IIIIHHI", 7, 12, 65536, 0, 12, 10, 65536)
    if kind == _LOOKUP:
        return 0, struct.pack("<QQQQII", _FILE, 0, 1, 1, 0, 0) + _attributes(_FILE)
    if kind == _GETATTR:
        return 0, struct.pack("<QII", 1, 0, 0) + _attributes(node)
    if kind in (_OPEN, _OPENDIR):
        return 0, struct.pack("<QII", 1, 0, 0)
    return -38, b""  # ENOSYS


def _attributes(node: int) -> bytes:
    mode = 0o40755 if node == _ROOT else 0o100666
    return struct.pack("<QQQQQQ10I", node, 0, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
