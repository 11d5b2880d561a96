"""Datagram endpoints over UDP and Unix sockets."""

import asyncio
import socket
from typing import Any

from tests.stress.world import Act
from tests.support.addresses import free_address


class Endpoint(asyncio.DatagramProtocol):
    """Check that what arrives was sent, in that order; some may be lost on the way."""

    def __init__(self, act: Act, name: str) -> None:
        self.act = act
        self.name = name
        self.transport: Any = None
        self.last = -1
        self.made_count = 0
        self.lost_count = 0
        self.paused_count = 0
        self.answers = name == "far" and act.chance(0.3)
        self.may_raise = act.chance(0.2)
        act.world.protocols.add(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made_count += 1
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        number = int(data.split(b" ")[0] or b"-1")
        self.act.check(not self.lost_count, "a datagram behind the end")
        self.act.check(number > self.last, f"{self.name}: {number} after {self.last}")
        self.act.check(data == datagram(number), f"{self.name}: datagram {number} is damaged")
        self.last = number
        if self.may_raise and self.act.chance(0.05):
            raise self.act.world.provoke(f"{self.act.name} {self.name} datagram_received")
        if self.answers and number % 7 == 0 and addr:
            self.transport.sendto(data, addr)

    def error_received(self, exc: Exception) -> None:
        self.act.check(isinstance(exc, OSError), f"error_received({exc!r})")

    def pause_writing(self) -> None:
        self.paused_count += 1

    def resume_writing(self) -> None:
        self.paused_count -= 1

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_count += 1
        self.act.check(self.lost_count == self.made_count == 1, f"{self.name} ends again")


def datagram(number: int) -> bytes:
    """Return the datagram of a number: of many sizes, its number first."""
    return b"%d " % number + bytes([number % 251]) * (number * number % 1_500)


async def exchange(act: Act) -> None:
    """One endpoint sends to another, which may be gone."""
    far, address = await act.choose(over_udp, over_unix)(act)
    near = await connected_to(act, far, address)
    ending = act.choose("close", "abort", "the other closes", "left open")
    for number in range(act.randomness.randrange(1, 200)):
        near.transport.sendto(datagram(number))
        if act.chance(0.1):
            await act.breathe()
        if ending == "the other closes" and act.chance(0.05):
            far.transport.close()
    if ending in {"close", "abort"}:
        getattr(near.transport, ending)()
        await act.until(lambda: near.lost_count, "the end of an endpoint")


async def over_udp(act: Act) -> tuple[Endpoint, Any]:
    address = free_address(socket.SOCK_DGRAM)
    return await endpoint(act, "far", local_addr=address), address


async def over_unix(act: Act) -> tuple[Endpoint, Any]:
    sock = act.own(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    sock.setblocking(False)
    path = str(act.path("far"))
    sock.bind(path)
    return await endpoint(act, "far", sock=sock), path


async def connected_to(act: Act, far: Endpoint, address: Any) -> Endpoint:
    if not isinstance(address, str):
        return await endpoint(act, "near", remote_addr=address)
    sock = act.own(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    sock.setblocking(False)
    sock.bind(str(act.path("near")))
    sock.connect(address)
    return await endpoint(act, "near", sock=sock)


async def endpoint(act: Act, name: str, **options: Any) -> Endpoint:
    protocol = Endpoint(act, name)

    async def end() -> None:
        if protocol.made_count and not protocol.lost_count:
            protocol.transport.abort()
        await act.until(
            lambda: protocol.lost_count == protocol.made_count, f"connection_lost of {name}"
        )
        protocol.transport = None

    act.defer(end)
    await act.loop.create_datagram_endpoint(lambda: protocol, **options)
    return protocol
