"""Links: two connected ends of every kind of stream, the TLS kinds included."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from tests.stress.lives import Life, new_protocol
from tests.stress.world import Act
from tests.support.addresses import free_address
from tests.support.tls import client_context, server_context

CLIENT_TLS = client_context()
SERVER_TLS = server_context()

Pair = tuple[Life, Life]


async def tcp(act: Act, client: Life, server: Life, tls: bool) -> None:
    """Connect over TCP, by a numeric address, a host name, or a socket."""
    host, port = free_address()
    listener = await act.loop.create_server(
        lambda: new_protocol(server), host, port, **_server_options(tls)
    )
    act.defer(lambda: _end_server(act, listener, client, server))
    await listener.start_serving()
    await act.loop.create_connection(
        lambda: new_protocol(client), host, port, **_client_options(tls)
    )
    if act.chance(0.5):
        listener.close()


async def unix(act: Act, client: Life, server: Life, tls: bool) -> None:
    """Connect over a Unix socket with a path."""
    path = str(act.path("socket"))
    listener = await act.loop.create_unix_server(
        lambda: new_protocol(server), path, **_server_options(tls)
    )
    act.defer(lambda: _end_server(act, listener, client, server))
    await listener.start_serving()
    await act.loop.create_unix_connection(
        lambda: new_protocol(client), path, **_client_options(tls)
    )


async def pair(act: Act, client: Life, server: Life, tls: bool) -> None:
    """Take the two ends of a socketpair: one as if accepted."""
    near, far = socket.socketpair()
    act.world.resources += [near, far]  # the transports close them, unless they are never made
    if act.chance(0.5):
        for sock in (near, far):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    accepting = act.loop.connect_accepted_socket(
        lambda: new_protocol(server), far, ssl=SERVER_TLS if tls else None
    )
    connecting = act.loop.create_connection(
        lambda: new_protocol(client), sock=near, **_client_options(tls)
    )
    await asyncio.gather(accepting, connecting)


async def _end_server(act: Act, listener: asyncio.Server, *lives: Life) -> None:
    listener.close()
    await put_away(act, *lives)  # since Python 3.12 the server waits for its connections
    await listener.wait_closed()


def _server_options(tls: bool) -> dict[str, Any]:
    """Return the options of a server that nobody has to close if its start is cancelled."""
    return {"ssl": SERVER_TLS if tls else None, "start_serving": False}


def _client_options(tls: bool) -> dict[str, Any]:
    return {"ssl": CLIENT_TLS, "server_hostname": "localhost"} if tls else {}


KINDS: list[Callable[[Act, Life, Life, bool], Awaitable[None]]] = [tcp, unix, pair]


async def connected(act: Act, kind: Any = None, layers: int | None = None) -> Pair:
    """Return two connected lives, with none, one or two layers of TLS."""
    kind = kind or act.randomness.choice(KINDS)
    layers = act.choose(0, 0, 0, 1, 1, 2) if layers is None else layers
    upgrades = layers and act.chance(0.5)
    act.note(f"{kind.__name__} with {layers} layers of TLS, upgrades: {upgrades}")
    client, server = Life(act, "client"), Life(act, "server")
    act.defer(lambda: put_away(act, client, server))
    await kind(act, client, server, bool(layers) and not upgrades)
    await act.until(lambda: server.made_count, "the server's end")
    for _ in range(layers - (not upgrades) if layers else 0):
        await upgrade(act, client, server)
    return client, server


async def upgrade(act: Act, client: Life, server: Life) -> None:
    """Change to TLS, once both have received what the other has sent."""
    if act.chance(0.5):
        for life in (client, server):
            life.send([act.choose(1, 1_000, 100_000)], "bytes")
    if not await act.until(lambda: has_all(client, server), "all that came before TLS"):
        return
    for life in (client, server):
        life.is_upgrading = True
    accepting = act.loop.start_tls(
        server.transport, server.transport.get_protocol(), SERVER_TLS, server_side=True
    )
    connecting = act.loop.start_tls(
        client.transport,
        client.transport.get_protocol(),
        CLIENT_TLS,
        server_hostname="localhost",
    )
    server_transport, client_transport = await asyncio.gather(accepting, connecting)
    for life, transport in ((server, server_transport), (client, client_transport)):
        life.is_upgrading = False
        life.transport = transport


def has_all(*lives: Life) -> bool:
    """Tell whether each of two ends has received all that the other one has sent."""
    one, other = lives
    return one.received_count == other.sent_count and other.received_count == one.sent_count


async def put_away(act: Act, *lives: Life) -> None:
    """Abort what is still connected, and wait until every begin has had its end."""
    for life in lives:
        if life.transport is not None and life.lost_count == 0:
            life.transport.abort()
    for life in lives:
        await act.until(
            lambda life=life: life.lost_count >= life.made_count or life.is_upgrading,
            f"connection_lost of {life.name} after abort()",
        )
