"""Pairs of TLS engines that talk through memory."""

import ssl

from ngxloop.transports.tlsmemory import TlsMemory
from tests.probes.tlsengine import EngineProbe
from tests.support.tls import client_context, server_context

TLS_12 = ssl.TLSVersion.TLSv1_2
TLS_13 = ssl.TLSVersion.TLSv1_3


def engine_pair(version: ssl.TLSVersion = TLS_13) -> tuple[EngineProbe, EngineProbe]:
    """Return a client and a server that have not begun."""
    memory = TlsMemory()
    contexts = client_context(), server_context()
    for context in contexts:
        context.maximum_version = version
    return (
        EngineProbe(memory, contexts[0], False, "localhost"),
        EngineProbe(memory, contexts[1], True),
    )


def shake_hands(client: EngineProbe, server: EngineProbe) -> None:
    """Bring both into the state "wrapped"; what remains for the client are session tickets."""
    for engine in (client, server):
        engine.move("handshake")
    waiting = [client, server]
    while waiting:
        waiting = [engine for engine in waiting if not engine.handshake()]
        server.feed(client.take_output())
        client.feed(server.take_output())
    for engine in (client, server):
        engine.move("wrapped")


def wrapped_pair(version: ssl.TLSVersion = TLS_13) -> tuple[EngineProbe, EngineProbe]:
    """Return a client and a server after their handshake, with nothing on its way."""
    client, server = engine_pair(version)
    shake_hands(client, server)
    assert client.decrypt() == b""
    return client, server


def encrypted(engine: EngineProbe, *chunks: bytes) -> bytes:
    """Let an engine encrypt chunks; return all its ciphertext."""
    for chunk in chunks:
        engine.write(chunk)
    return b"".join(iter(engine.encrypt, b""))
