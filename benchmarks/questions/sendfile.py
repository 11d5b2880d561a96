"""How fast is a file of 100 MiB sent to a client that reads as fast as it can?

Unit: nanoseconds per KiB, by the clock and in CPU time of the sending process; a thread of it reads
the other end of a TCP connection, and its CPU time counts for every loop alike. Cases: a transport,
by sendfile(); a socket, by sock_sendfile().
Leaves out: disks, as the file is in the page cache; TLS.
"""

import asyncio
import os
import socket
import tempfile
import threading
from typing import BinaryIO

from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion

FILE_BYTES = 100 << 20
READ_BYTES = 1 << 20


def open_file() -> BinaryIO:
    """Return a file of FILE_BYTES that is in the page cache and in no folder."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - open until the process ends
    for _ in range(FILE_BYTES // READ_BYTES):
        file.write(os.urandom(4096) * (READ_BYTES // 4096))
    file.flush()
    return file


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Return two sockets that are connected over loopback; the first one does not block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    ours.setblocking(False)
    return ours, peer


def read_all(peer: socket.socket) -> None:
    """Read a file's worth, in a thread."""
    buffer = bytearray(READ_BYTES)
    left = FILE_BYTES
    while left:
        left -= peer.recv_into(buffer, min(READ_BYTES, left))


async def send_file(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    """Send the file once, over a new connection."""
    ours, peer = tcp_pair()
    reader = threading.Thread(target=read_all, args=(peer,))
    reader.start()
    if case.parameters["way"] == "transport":
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        await loop.sendfile(transport, FILES[0])
        transport.close()
    else:
        await loop.sock_sendfile(ours, FILES[0])
        ours.close()
    await loop.run_in_executor(None, reader.join)
    peer.close()


async def body(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    """Send the file, which is made for the first time."""
    if not FILES:
        FILES.append(open_file())
    await send_file(loop, case)


FILES: list[BinaryIO] = []

CASES = [
    Case(f"{way}-100MiB", {"operations": FILE_BYTES // 1024, "way": way})
    for way in ("transport", "sock")
]

QUESTION = SchedulerQuestion(body, CASES)
