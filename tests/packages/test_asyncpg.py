"""asyncpg against the real PostgreSQL."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from tests.packages.peers import need, postgresql_server
from tests.support.waiting import DEADLINE

asyncpg = need("asyncpg")


@pytest.fixture
def options():
    """Give what a client must know of a running server."""
    with tempfile.TemporaryDirectory() as name, postgresql_server(Path(name)) as folder:
        yield {"host": str(folder), "user": "postgres", "database": "postgres"}


async def test_rows_go_there_and_back(options):
    connection = await asyncpg.connect(**options)
    await connection.execute("create table facts (number int, text text)")
    rows = [(number, "x" * number) for number in range(2000)]
    await connection.copy_records_to_table("facts", records=rows)
    found = await connection.fetch("select number, text from facts order by number")
    await connection.close()

    assert [tuple(row) for row in found] == rows


async def test_a_pool_serves_many_at_once(options):
    async with asyncpg.create_pool(**options, min_size=2, max_size=8) as pool:
        answers = await asyncio.gather(
            *(pool.fetchval("select $1::int * 2", number) for number in range(200))
        )

    assert answers == [number * 2 for number in range(200)]


async def test_a_cancelled_query_is_cancelled_in_the_server_too(options):
    connection = await asyncpg.connect(**options)
    with pytest.raises(TimeoutError):
        await connection.fetch("select pg_sleep(60)", timeout=0.1)
    assert await connection.fetchval("select 1") == 1
    await connection.close()


async def test_notifications_arrive(options):
    heard = asyncio.Queue()
    listener = await asyncpg.connect(**options)
    speaker = await asyncpg.connect(**options)
    await listener.add_listener("news", lambda *args: heard.put_nowait(args[-1]))
    for number in range(50):
        await speaker.execute(f"notify news, '{number}'")
    received = [await asyncio.wait_for(heard.get(), DEADLINE) for _ in range(50)]
    await listener.close()
    await speaker.close()

    assert received == [str(number) for number in range(50)]
