"""redis-py against the real server, over TCP and a unix socket."""

import asyncio

import pytest

from tests.packages.peers import need, redis_server
from tests.support.waiting import DEADLINE

redis = need("redis.asyncio")


@pytest.fixture(params=["tcp", "unix"])
def options(request, tmp_path):
    """Give what a client must know of a running server."""
    with redis_server(tmp_path) as (host, port, path):
        yield (
            {"host": host, "port": port} if request.param == "tcp" else {"unix_socket_path": path}
        )


async def test_values_of_every_size_come_back(options):
    async with redis.Redis(**options) as client:
        for size in (0, 1, 1000, 100_000, 5_000_000):
            value = bytes(range(256)) * (size // 256 + 1)
            await client.set("key", value)
            assert await client.get("key") == value


async def test_many_commands_at_once(options):
    async with redis.Redis(**options) as client:
        await asyncio.gather(*(client.incr("counter") for _ in range(80)))
        assert await client.get("counter") == b"80"

        pipeline = client.pipeline()
        for number in range(1000):
            pipeline.rpush("list", number)
        await pipeline.execute()
        assert await client.llen("list") == 1000


async def test_messages_reach_those_who_subscribed(options):
    async with redis.Redis(**options) as client, client.pubsub() as subscriber:
        await subscriber.subscribe("news")
        assert (await subscriber.get_message(timeout=DEADLINE))["type"] == "subscribe"
        for number in range(100):
            await client.publish("news", number)
        received = [(await subscriber.get_message(timeout=DEADLINE))["data"] for _ in range(100)]

    assert received == [b"%d" % number for number in range(100)]


async def test_a_wait_that_is_cancelled_leaves_the_client_usable(options):
    async with redis.Redis(**options) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.blpop("nothing"), 0.05)
        assert await client.ping()
