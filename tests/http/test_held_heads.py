"""A head is held back for the first body, but not for long; a chunk is never held."""

import asyncio

from tests.http.serving import GET, body, client, serving, start


async def test_a_held_head_leaves_after_a_while():
    release = asyncio.Event()

    async def application(scope, receive, send):
        await send(start(201))
        await release.wait()
        await send(body(b"late"))

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        line = await peer.reader.readuntil(b"\r\n\r\n")
        assert line.startswith(b"HTTP/1.1 201 Created\r\n")
        assert b"transfer-encoding: chunked" in line
        release.set()
        assert await peer.reader.readuntil(b"0\r\n\r\n") == b"4\r\nlate\r\n0\r\n\r\n"


async def test_a_head_that_is_held_with_a_length_keeps_it():
    release = asyncio.Event()

    async def application(scope, receive, send):
        await asyncio.sleep(0)
        await send(start(headers=[(b"content-length", b"4")]))
        await release.wait()
        await send(body(b"late"))

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        assert b"content-length: 4" in await peer.reader.readuntil(b"\r\n\r\n")
        release.set()
        assert await peer.reader.readexactly(4) == b"late"


async def test_a_chunk_leaves_at_once():
    release = asyncio.Event()

    async def application(scope, receive, send):
        await send(start())
        await send(body(b"first", True))
        await release.wait()
        await send(body())

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        await peer.reader.readuntil(b"5\r\nfirst\r\n")
        release.set()
        assert await peer.reader.readexactly(5) == b"0\r\n\r\n"
