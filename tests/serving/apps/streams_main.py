"""A program for the workers: it opens its server by itself."""

import asyncio

from plain import echo


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        await server.serve_forever()
