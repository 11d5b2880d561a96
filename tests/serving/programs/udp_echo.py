"""Sends datagrams back, at the host and port of its arguments."""

import asyncio
import sys


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.transport.sendto(data, addr)


async def main():
    address = (sys.argv[1], int(sys.argv[2]))
    await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=address)
    print("bound", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
