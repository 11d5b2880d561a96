"""Things to misuse: sockets, files and loops, all closed at the end."""

import asyncio
import contextlib
import os
import socket
import ssl
import tempfile
from collections.abc import Iterator
from types import SimpleNamespace

from tests.support import loops


async def coroutine_function(*_: object) -> None:
    """Do nothing: handed over where a plain function is asked for."""


class BadFileno:
    """Have a fileno() that gives no number."""

    def fileno(self) -> str:
        return "three"


@contextlib.contextmanager
def things() -> Iterator[SimpleNamespace]:
    """Give one of each kind."""
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        ours, peer = map(enter, socket.socketpair())
        ours.setblocking(False)
        udp = enter(socket.socket(type=socket.SOCK_DGRAM))
        udp.setblocking(False)
        closed = socket.socket()
        closed.close()
        reading, writing = os.pipe()
        listener = enter(socket.create_server(("127.0.0.1", 0)))
        listener.setblocking(False)
        foreign = loops.LOOPS["asyncio"]()
        stack.callback(foreign.close)
        yield SimpleNamespace(
            sock=ours,
            blocking=peer,
            udp=udp,
            listener=listener,
            address=listener.getsockname(),
            closed=closed,
            closed_fd=closed_fd(),
            read_pipe=enter(open(reading, "rb", buffering=0)),  # noqa: SIM115
            write_pipe=enter(open(writing, "wb", buffering=0)),  # noqa: SIM115
            file=enter(tempfile.TemporaryFile()),  # noqa: SIM115
            text_file=enter(tempfile.TemporaryFile("w+")),  # noqa: SIM115
            foreign=foreign,
            foreign_future=foreign.create_future(),
            tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            bad_fileno=BadFileno(),
        )


def closed_fd() -> int:
    """Return a number so high that nothing has it."""
    return 100_000


class Quiet(asyncio.Protocol):
    """A protocol that does nothing."""
