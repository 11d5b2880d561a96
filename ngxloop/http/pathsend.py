"""send_path(): a file as the body of an answer (ASGI: http.response.pathsend)."""

import asyncio
import os
from typing import Any

from ngxloop.http.errors import ClientDisconnected


async def send_path(answer: Any, path: str) -> None:
    """Answer with the content of a file, which the kernel sends by itself where it can.

    Raises:
        OSError: it cannot be read.
        ClientDisconnected: the client has left.
    """
    with open(path, "rb") as file:  # noqa: ASYNC230 - regular files are always ready
        size = os.fstat(file.fileno()).st_size
        transport = answer._file_begins(size)
        if transport is None:
            return
        try:
            sent = await asyncio.get_running_loop().sendfile(transport, file, 0, size)
        except ConnectionError as exc:
            raise ClientDisconnected("the client has left") from exc
    answer._file_sent(sent)
