"""Servers as the arguments say, each a method with its arguments in JSON; they tell who answers."""

import asyncio
import json
import os
import socket
import sys

servers = []


async def answer(reader, writer):
    names = [sock.getsockname() for server in servers for sock in server.sockets]
    writer.write(
        json.dumps({"pid": os.getpid(), "names": names, "count": len(servers)}).encode() + b"\n"
    )
    command = (await reader.readline()).decode()
    if command:
        await carry_out(*command.split())
        writer.write(b"done\n")
    writer.close()


async def carry_out(command, argument):
    if command == "close":
        servers.pop(int(argument)).close()
    else:
        await open_server(json.loads(argument))


async def open_server(arguments):
    method, options = arguments
    if method == "socket":  # a server that binds by itself, and wants to know where
        sock = socket.socket()
        sock.bind(tuple(options["address"]))
        assert sock.getsockname()[1] != 0
        server = await asyncio.start_server(answer, sock=sock)
    elif method == "unix":
        server = await asyncio.start_unix_server(answer, **options)
    else:
        server = await asyncio.start_server(answer, **options)
    servers.append(server)


async def main(specification=None):
    for arguments in specification or json.loads(os.environ["SERVERS"]):
        await open_server(arguments)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
