"""A program to freeze: a TLS server and a client, a Unix socket, datagrams and a subprocess."""

import asyncio
import ssl
import sys
from pathlib import Path

import ngxloop


async def main(certificates: Path) -> None:
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(certificates / "certificate.pem", certificates / "key.pem")
    client_tls = ssl.create_default_context(cafile=str(certificates / "certificate.pem"))

    async def upper(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(upper, "127.0.0.1", 0, ssl=server_tls)
    reader, writer = await asyncio.open_connection(
        *server.sockets[0].getsockname(), ssl=client_tls, server_hostname="localhost"
    )
    writer.write(b"over tls\n")
    print((await reader.read()).decode().strip())
    writer.close()
    server.close()

    received = asyncio.get_running_loop().create_future()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            received.set_result(data)

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    transport.sendto(b"a datagram", transport.get_extra_info("sockname"))
    print((await received).decode())
    transport.close()

    process = await asyncio.create_subprocess_exec(
        "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(b"a process")
    print(output.decode())
    print(type(loop).__name__)


ngxloop.run(main(Path(sys.argv[1])))
