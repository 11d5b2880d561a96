"""aioquic: QUIC over our datagram transports, both ends on our loop."""

import asyncio

import pytest

from tests.packages.peers import need
from tests.support.tls import CERTIFICATE, KEY

quic = need("aioquic.asyncio")
configuration = need("aioquic.quic.configuration")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def options(is_client):
    """Return the configuration of one end."""
    result = configuration.QuicConfiguration(is_client=is_client, alpn_protocols=["test"])
    if is_client:
        result.load_verify_locations(CERTIFICATE)
        result.server_name = "localhost"
    else:
        result.load_cert_chain(CERTIFICATE, KEY)
    return result


@pytest.fixture
async def client():
    """Give a client that is connected to an echo server."""

    async def echo(reader, writer):
        writer.write(await reader.read())
        writer.write_eof()

    tasks = set()

    def handle(reader, writer):
        task = asyncio.ensure_future(echo(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await quic.serve("127.0.0.1", 0, configuration=options(False), stream_handler=handle)
    port = server._transport.get_extra_info("sockname")[1]
    async with quic.connect("127.0.0.1", port, configuration=options(True)) as client:
        yield client
    server.close()
    await asyncio.gather(*tasks)


async def ask(client, data):
    reader, writer = await client.create_stream()
    writer.write(data)
    writer.write_eof()
    return await reader.read()


async def test_much_data_goes_there_and_back_whole(client):
    data = bytes(range(256)) * 4000

    assert await asyncio.wait_for(ask(client, data), 30) == data


async def test_many_streams_at_once(client):
    messages = [b"message %d" % number for number in range(50)]

    assert await asyncio.gather(*(ask(client, message) for message in messages)) == messages
