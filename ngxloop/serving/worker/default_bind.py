"""The address of an application for which none was given.

Only the worker knows whether what it has imported is an application, which needs one, or a program,
which binds by itself. So it is the worker that asks for the default address, as programs do.
"""

import asyncio
import errno
import socket

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.sockets.default_address import DEFAULT_ADDRESS
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.sockets.opening import BIND_ATTEMPTS, BIND_RETRY_SECONDS, in_use
from ngxloop.serving.worker.sharedbind import SharedBindClient


async def open_default(client: SharedBindClient, backlog: int) -> ListeningSocket:
    """Return the listening socket of the default address; one in use is tried again.

    Raises:
        StartError: It cannot be bound.
    """
    for attempt in range(BIND_ATTEMPTS):
        if attempt:
            await asyncio.sleep(BIND_RETRY_SECONDS)
        try:
            return _open(client, backlog)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                line = f"cannot bind {DEFAULT_ADDRESS}: {error.strerror}; give another with --bind"
                raise StartError(ExitCode.BAD_ADDRESS, line) from error
    raise StartError(ExitCode.ADDRESS_IN_USE, in_use(DEFAULT_ADDRESS))


def _open(client: SharedBindClient, backlog: int) -> ListeningSocket:
    sock = ListeningSocket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(sock, (DEFAULT_ADDRESS.host, DEFAULT_ADDRESS.port))
        sock.open_queue(backlog)
    except BaseException:
        sock.close()
        raise
    return sock
