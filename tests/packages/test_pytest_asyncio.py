"""pytest-asyncio: tests, fixtures and loop scopes on our loop, in a run of its own."""

import pytest

from tests.support.processes import Program

CONFTEST = """
import ngxloop

def pytest_asyncio_loop_factories(config, item):
    return {"ngxloop": ngxloop.new_event_loop}
"""

CONFTEST_WITH_POLICY = """
import ngxloop
import pytest

@pytest.fixture(scope="session")
def event_loop_policy():
    return ngxloop.Policy()
"""

TESTS = """
import asyncio
import ngxloop
import pytest
import pytest_asyncio

@pytest_asyncio.fixture
async def server():
    async def echo(reader, writer):
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        yield server

@pytest.mark.asyncio
async def test_runs_on_our_loop():
    assert isinstance(asyncio.get_running_loop(), ngxloop.EventLoop)

@pytest.mark.asyncio
async def test_uses_an_async_fixture(server):
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello\\n")
    assert await reader.readline() == b"hello\\n"
    writer.close()
    await writer.wait_closed()

loops = set()

@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("number", range(3))
async def test_shares_a_loop_in_the_module(number):
    loops.add(asyncio.get_running_loop())
    assert len(loops) == 1
"""


@pytest.mark.parametrize(
    "conftest", [CONFTEST, CONFTEST_WITH_POLICY], ids=["loop factory", "event loop policy"]
)
def test_pytest_asyncio_runs_its_tests_on_our_loop(conftest, tmp_path):
    (tmp_path / "conftest.py").write_text(conftest)
    (tmp_path / "test_inner.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
    )
    options = ["-p", "no:cacheprovider", "--rootdir", str(tmp_path)]

    with Program("-m", "pytest", *options, str(tmp_path)) as program:
        code = program.end()

    assert code == 0, program.output
    assert "5 passed" in program.output
