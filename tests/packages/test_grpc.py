"""grpc.aio, whose events reach our loop through add_reader."""

import asyncio

import pytest

from tests.packages.peers import need

grpc = need("grpc")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:grpc.*")


@pytest.fixture(autouse=True)
def no_leaked_fds():
    """Count none: gRPC's own threads open an epoll for the process when they like, and keep it."""


async def upper(request, context):
    return request.upper()


async def count(request, context):
    for number in range(int(request)):
        yield b"%d" % number


async def chat(requests, context):
    async for request in requests:
        yield request[::-1]


HANDLERS = {
    "Upper": grpc.unary_unary_rpc_method_handler(upper),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}


async def test_calls_of_every_kind_are_answered():
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Test", HANDLERS)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary("/Test/Upper")
            answers = await asyncio.gather(*(call(b"hello %d" % n) for n in range(100)))
            assert answers == [b"HELLO %d" % n for n in range(100)]

            numbers = [number async for number in channel.unary_stream("/Test/Count")(b"500")]
            assert numbers == [b"%d" % number for number in range(500)]

            stream = channel.stream_stream("/Test/Chat")()
            for number in range(100):
                await stream.write(b"abc%d" % number)
                assert await stream.read() == (b"abc%d" % number)[::-1]
            await stream.done_writing()

            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await channel.unary_unary("/Test/Nothing")(b"")
            assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
    finally:
        await server.stop(None)
