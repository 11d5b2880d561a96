"""Mode reuseport: each worker has a socket of its own at each TCP address (SO_REUSEPORT).

The kernel spreads connections over the sockets by a hash of the addresses, blind to the load.
nginx: ngx_clone_listening. The sockets are the master's, so they outlive workers and reloads; what
waits at one goes to the next worker of that number.

Rules. The first socket of an address is bound without the option: an address that another process
has is seen to be in use. The others are bound after it has the option, which the kernel allows.
Unix sockets and inherited ones are shared as in mode plain.
"""

import dataclasses
import socket
from pathlib import Path

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.logs.logs import log
from ngxloop.serving.options.binds import TcpBind, parse_bind
from ngxloop.serving.sockets.listeners import Listeners, Opened
from ngxloop.serving.sockets.opening import listen_tcp

_MIGRATE = Path("/proc/sys/net/ipv4/tcp_migrate_req")  # since Linux 5.14


def spread_listeners(listeners: Listeners, count: int, backlog: int) -> None:
    """Give each TCP address so many sockets, 1 for the other modes; some may be there already.

    Sockets that are too many leave the listeners; to close them is the caller's.

    Raises:
        StartError: The kernel refuses more sockets.
    """
    if count > 1:
        _warn_of_losses()
    addresses = {opened.sock.getsockname() for opened in listeners.opened if _is_ours(opened)}
    try:
        for address in addresses:
            _spread(listeners, address, count, backlog)
    except OSError as error:
        line = f"cannot open {count} sockets at {address[0]}:{address[1]}: {error.strerror}"
        raise StartError(ExitCode.BAD_ADDRESS, f"{line}; use another --accept mode") from error


def _spread(listeners: Listeners, address: tuple[str, int], count: int, backlog: int) -> None:
    there = [its for its in listeners.opened if _is_ours(its) and its.sock.getsockname() == address]
    first, is_spread = there[0], count > 1
    kept = [
        dataclasses.replace(its, copy=copy if is_spread else None)
        for copy, its in enumerate(there[:count])
    ]
    if is_spread:
        first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    for copy in range(len(kept), count):
        sock = listen_tcp(first.sock.family, address, backlog, reuse_port=True)
        kept.append(Opened(first.key, sock, copy=copy))
    place = listeners.opened.index(first)
    others = [its for its in listeners.opened if its not in there]
    listeners.opened[:] = others[:place] + kept + others[place:]


def _is_ours(opened: Opened) -> bool:
    return isinstance(parse_bind(opened.key), TcpBind)


def _warn_of_losses() -> None:
    if _MIGRATE.exists() and _MIGRATE.read_text().strip() == "0":
        log.warning(
            "mode reuseport: connections waiting for a worker are lost when the number of workers "
            "is reduced; set net.ipv4.tcp_migrate_req=1"
        )
