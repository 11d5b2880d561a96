"""Visitors of the master that mean no good: a status client that closes early, and nonsense."""

import asyncio
import json
import random
import socket
import struct

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends a reset
_PERIOD_SECONDS = 0.01
_QUESTION = b"GET /status.json HTTP/1.1\r\nHost: x\r\n\r\n"
_WORDS = ("status", "scale", "reload", "upgrades", "", "quit now", "\u0000", "STOP")


async def close_early(host: str, port: int, chance: random.Random) -> None:
    """Ask for the status every 10 ms, and be gone before the answer."""
    while True:
        await asyncio.sleep(_PERIOD_SECONDS)
        with socket.socket() as sock:
            sock.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(sock, (host, port))
                sock.send(_QUESTION[: chance.randint(0, len(_QUESTION))])
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            except OSError:
                continue


async def send_nonsense(path: str, chance: random.Random) -> None:
    """Send the control socket what is no order."""
    while True:
        await asyncio.sleep(_PERIOD_SECONDS)
        with socket.socket(socket.AF_UNIX) as sock:
            sock.setblocking(False)
            try:
                sock.connect(path)
                sock.send(_nonsense(chance))
                if chance.random() < 0.5:
                    async with asyncio.timeout(1.0):
                        await asyncio.get_running_loop().sock_recv(sock, 1000)
            except OSError:  # it is another master's now, or too long for the queue
                continue


def _nonsense(chance: random.Random) -> bytes:
    """Return what no master carries out: bytes, broken JSON, or a command with a wrong field."""
    match chance.randrange(5):
        case 0:
            return chance.randbytes(chance.randint(0, 6000))
        case 1:
            return b"[" * chance.randint(1, 3000) + b"\n"
        case 2:
            word = chance.choice(_WORDS)
            return json.dumps({"command": [word], "count": word}).encode() + b"\n"
        case 3:
            return b'{"command": "scale", "count": %s}\n' % chance.choice((b"-1", b"1e9", b'"2"'))
        case _:
            whole = b'{"command": "scale", "count": "many"}\n'
            return whole[: chance.randint(0, len(whole))]
