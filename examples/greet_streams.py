"""A stream handler: a line-based greeter, with asyncio's reader and writer.

    ngxloop-serve greet_streams:greet --app-dir examples --bind unix:/tmp/greet.sock
    nc -U /tmp/greet.sock

Each connection runs the function in a task of its own. On `kill -TERM` of the master the
conversations may end before the server does, for at most --graceful-timeout seconds.
"""

import asyncio
import os


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ask for names, greet each, until an empty line."""
    writer.write(b"Worker %d. What is your name?\n" % os.getpid())
    async for line in reader:
        name = line.strip()
        if not name:
            break
        writer.write(b"Hello, %s! Anybody else?\n" % name)
        await writer.drain()
    writer.close()
    await writer.wait_closed()
