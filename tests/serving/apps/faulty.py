"""An application that does to its process, and to its master's channel, what it is told.

The folder in $FAULTY_FOLDER decides what happens while it is imported.
"""

import array
import asyncio
import os
import socket
import stat
import time
from pathlib import Path

_FOLDER = Path(os.environ.get("FAULTY_FOLDER", "/nonexistent"))

if (_FOLDER / "broken").exists():
    raise RuntimeError("broken on purpose")
if (_FOLDER / "slow").exists():
    time.sleep(600)


def find_channel():
    """Return a copy of our end of the channel: the newest SOCK_SEQPACKET socket here."""
    for fd in sorted(map(int, os.listdir("/proc/self/fd")), reverse=True):
        try:
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                continue
        except OSError:
            continue
        sock = socket.socket(fileno=os.dup(fd))
        if sock.type == socket.SOCK_SEQPACKET:
            return sock
        sock.close()
    raise AssertionError("no channel")


def send_packet(packet, fd_count):
    """Send bytes with copies of the descriptor of a socket."""
    with find_channel() as channel, socket.socket() as passed:
        fds = array.array("i", [passed.fileno()] * fd_count)
        channel.sendmsg([packet], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else [])


def flood(packet):
    """Send a packet again and again, until the channel is closed."""
    with find_channel() as channel:
        channel.setblocking(True)
        while True:
            channel.send(packet)


class Obey(asyncio.Protocol):
    """Says its process id, then obeys lines: packet HEX COUNT, flood HEX, block."""

    def connection_made(self, transport):
        self.transport = transport
        transport.write(b"%d\n" % os.getpid())

    def data_received(self, data):
        word, *arguments = data.decode().split()
        if word == "packet":
            send_packet(bytes.fromhex(arguments[0].strip("-")), int(arguments[1]))
        elif word == "flood":
            loop = asyncio.get_running_loop()
            loop.run_in_executor(None, flood, bytes.fromhex(arguments[0]))
        elif word == "block":
            time.sleep(600)


async def main():
    server = await asyncio.get_running_loop().create_server(Obey, "127.0.0.1", 0)
    await server.serve_forever()
