"""asyncssh on both ends: commands, files, and forwarded connections."""

import asyncio

import pytest

from tests.packages.peers import need
from tests.support.streams import address_of

asyncssh = need("asyncssh")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


class Server(asyncssh.SSHServer):
    """Let everybody in, and forward to everywhere."""

    def begin_auth(self, username):
        return False

    def connection_requested(self, *_):
        return True


async def serve_process(process):
    """Answer what is asked, in capitals, until the end of input."""
    async for line in process.stdin:
        process.stdout.write(line.upper())
    process.exit(3)


@pytest.fixture
async def connection():
    """Give a client's connection to a running server."""
    acceptor = await asyncssh.create_server(
        Server,
        "127.0.0.1",
        0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        process_factory=serve_process,
        sftp_factory=True,
    )
    async with (
        acceptor,
        asyncssh.connect(
            "127.0.0.1", acceptor.get_port(), known_hosts=None, username="anybody", config=None
        ) as connection,
    ):
        yield connection


async def test_a_command_is_answered(connection):
    text = "line of text\n" * 5000
    result = await connection.run("anything", input=text)

    assert result.stdout == text.upper()
    assert result.exit_status == 3


async def test_many_sessions_share_a_connection(connection):
    results = await asyncio.gather(*(connection.run("x", input=f"{n}\n") for n in range(20)))

    assert [result.stdout for result in results] == [f"{n}\n" for n in range(20)]


async def test_files_are_copied_whole(connection, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 8000)
    async with connection.start_sftp_client() as client:
        await client.put(str(source), str(target))

    assert target.read_bytes() == source.read_bytes()


async def test_connections_are_forwarded(connection):
    async def echo(reader, writer):
        writer.write(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await connection.open_connection(*address_of(server))
        writer.write(b"hello")
        assert await reader.read() == b"hello"
        writer.close()
