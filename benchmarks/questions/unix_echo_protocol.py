"""How fast does a Unix stream server echo that is written with a Protocol?

Unit: requests per second, one request at a time on each connection; server CPU microseconds
per request. Cases: message size and connections.
Leaves out: parsing, requests in a pipeline, and slow readers.
"""

import asyncio
import os
import tempfile
from pathlib import Path

from benchmarks.harness.echo import BACKLOG, Address, EchoQuestion, echo_case
from benchmarks.harness.echo_protocol import KEPT, EchoProtocol
from benchmarks.harness.question import Case


def socket_path() -> str:
    """Return a path of this process's own."""
    return str(Path(tempfile.gettempdir(), f"ngxloop-bench-{os.getpid()}.sock"))


async def start_unix_server(loop: asyncio.AbstractEventLoop, _case: Case) -> Address:
    """Listen on a Unix socket, whose file the measuring process removes."""
    path = socket_path()
    KEPT.append(await loop.create_unix_server(EchoProtocol, path, backlog=BACKLOG))
    return path, 0


CASES = [echo_case(size, count) for size in (64, 1024, 102_400) for count in (1, 32)]

QUESTION = EchoQuestion(start_unix_server, CASES, limit=("echo_server", socket_path()))
