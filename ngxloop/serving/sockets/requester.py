"""A worker at the other end of a line to the keeper: who it is, and what it may request."""

import dataclasses
import json
import socket

from ngxloop.serving.config.config import Config
from ngxloop.serving.options.application import PROGRAM_INTERFACES, possible_interfaces
from ngxloop.serving.sockets.bindrequest import BindRequest
from ngxloop.serving.sockets.default_address import DEFAULT_ADDRESS


@dataclasses.dataclass(eq=False)
class Requester:
    """One worker process; the master has made it up, so the keeper trusts it."""

    number: int  # of its line
    name: str
    generation: int
    is_program: bool  # it may request any address; else the default one only
    shares_datagrams: bool = False
    is_certain: bool = True  # it will ask, as far as the master knows
    logged_count: int = 0  # addresses that it has bound

    def pack(self) -> bytes:
        """Return it as the payload of a message."""
        return json.dumps(dataclasses.astuple(self)).encode()

    @classmethod
    def unpack(cls, payload: bytes) -> "Requester":
        """Return what pack() wrote."""
        return cls(*json.loads(payload))

    def may_ask(self, request: BindRequest) -> bool:
        """Say whether it may request a socket."""
        if request.type == socket.SOCK_DGRAM and not self.shares_datagrams:
            return False
        return self.is_program or request == _DEFAULT


def describe_requester(
    number: int, name: str, generation: int, config: Config, interface: str
) -> Requester | None:
    """Return the requester that a worker is; None if it has nothing to ask for.

    A program may request any address, an application without --bind the default one.

    Args:
        number: Of the line that it gets.
        name: For the log.
        generation: Of the worker.
        config: Of that generation.
        interface: What its workers serve, empty while none is ready: with --interface auto only
            the worker then knows whether APP is a program.
    """
    possible = [interface] if interface else possible_interfaces(config.app, config.interface)
    is_program = any(one in PROGRAM_INTERFACES for one in possible)
    if not is_program and config.bind:
        return None
    is_certain = not config.bind or all(one in PROGRAM_INTERFACES for one in possible)
    return Requester(number, name, generation, is_program, config.share_datagrams, is_certain)


_DEFAULT = BindRequest(
    int(socket.AF_INET), int(socket.SOCK_STREAM), (DEFAULT_ADDRESS.host, DEFAULT_ADDRESS.port)
)
