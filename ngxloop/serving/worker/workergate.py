"""How a worker accepts, as configured: its gate, and options of its sockets."""

import resource
import socket
from collections.abc import Sequence

from ngxloop.core.gates import make_gate
from ngxloop.core.shared_gate import SharedGate
from ngxloop.serving.base.timing import HEARTBEATS, MAX_WAIT_SECONDS
from ngxloop.serving.logs.logs import log
from ngxloop.serving.worker.assignment import Assignment

_DEFER_SECONDS = 1  # then a silent connection is accepted after all; nginx asks for the same


def make_worker_gate(assignment: Assignment) -> SharedGate:
    """Make the gate of one worker; the first worker tells of a limit that cannot be reached."""
    config = assignment.config
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    wanted = config.worker_connections
    is_reachable = wanted is None or limit == resource.RLIM_INFINITY or wanted <= limit
    if not is_reachable and assignment.number == 0:
        log.warning(
            "%d worker-connections exceed the open file limit of %d; raise it with "
            "--rlimit-nofile, or lower --worker-connections",
            wanted,
            limit,
        )
    return make_gate(
        config.accept,
        assignment.board,
        assignment.slot,
        worker_connections=wanted,
        accept_limit=config.multi_accept,
        heartbeat=config.hang_timeout / HEARTBEATS or MAX_WAIT_SECONDS,
    )


def defer_accept(sockets: Sequence[socket.socket]) -> None:
    """Let TCP connections count as arrived when there is data; nginx: listen ... deferred."""
    for sock in sockets:
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFER_SECONDS)
