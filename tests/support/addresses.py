"""Addresses that belong to one test process: nothing else on the machine binds or uses them.

How it works. A process has a host in 127.0.0.0/8 that follows from its process id, and counts its
ports upwards, below those from which the kernel chooses. Such an address may be closed and bound
again by its number, in this process or in one that it starts; while it is not bound, it refuses.

Why not port 0. A port that the kernel chose is free again once its socket is closed: the kernel
gives it to the next socket of any process, a client's too. Port 0 is for sockets that are held.
"""

import contextlib
import itertools
import os
import socket

# Above those of usual services; net.ipv4.ip_local_port_range begins at 32768 by default.
PORTS = range(20_000, 32_000)

# Not all processes begin at the same one: a few tests use the port on another host.
_ports = itertools.islice(itertools.cycle(PORTS), os.getpid() * 97 % len(PORTS), None)


def own_host() -> str:
    """Return the host of this process, in 127.64.0.0/10: process ids have at most 22 bits."""
    pid = os.getpid()
    return f"127.{64 | pid >> 16}.{pid >> 8 & 255}.{pid & 255}"


def free_address(kind: int = socket.SOCK_STREAM) -> tuple[str, int]:
    """Return a host and port for a socket of this type; they come again after len(PORTS) calls.

    Ports that something has on all hosts, or that an earlier process with our id left behind, are
    passed over.
    """
    host = own_host()
    for port in itertools.islice(_ports, len(PORTS)):
        with socket.socket(type=kind) as sock, contextlib.suppress(OSError):
            sock.bind((host, port))
            return host, port
    raise OSError(f"no port of {host} is free")


def free_bind() -> str:
    """Return a free address as HOST:PORT, for an option --bind."""
    host, port = free_address()
    return f"{host}:{port}"
