"""A stream handler that gets stuck as the client asks for; it begins with its process id."""

import asyncio
import os
import re
import socket
import threading
import time


async def handle(reader, writer):
    writer.write(b"%d\n" % os.getpid())
    async for line in reader:
        ORDERS[line.strip()]()
    writer.close()


def block():
    """Wait in a callback."""
    os.read(os.pipe()[0], 1)


def keep_lock():
    """Keep the interpreter's lock for years."""
    re.match("(a|a)*b", "a" * 64)


def keep_lock_in_thread():
    """Do so in another thread, once the loop sleeps."""
    threading.Thread(target=keep_lock_soon, daemon=True).start()


def keep_lock_soon():
    time.sleep(0.3)
    keep_lock()


def work_in_thread():
    """Give the executor something that takes longer than any test."""
    asyncio.get_running_loop().run_in_executor(None, work_for_an_hour)


def work_for_an_hour():
    time.sleep(3600)


def shut_down_listeners():
    """Shut every listening socket of this process down."""
    for name in os.listdir("/proc/self/fd"):
        try:
            sock = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with sock:
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                sock.shutdown(socket.SHUT_RDWR)


ORDERS = {
    b"block": block,
    b"keep lock": keep_lock,
    b"keep lock in thread": keep_lock_in_thread,
    b"work in thread": work_in_thread,
    b"shut down": shut_down_listeners,
}


async def start_slowly():
    print("factory begun", flush=True)
    await asyncio.sleep(3600)
