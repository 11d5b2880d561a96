"""--reload: a changed Python file is served soon, and a broken one changes nothing."""

import contextlib

import pytest

from ngxloop.serving.config import Config
from ngxloop.serving.errors import ConfigError
from tests.serving.support import connect, receive_line

pytest.importorskip("watchfiles")
SOURCE = """
import asyncio
class Tell(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"{version}\\n")
        transport.close()
"""


def ask(server):
    with connect(server.address) as sock:
        return receive_line(sock)


def change(server, file, text):
    """Write the file until it is noticed: nothing tells when the watcher has begun."""
    for _ in range(20):
        file.write_text(text)
        with contextlib.suppress(AssertionError):
            server.logged("changed: .*changing.py", 2)
            return


def test_changed_file_is_served(serve, tmp_path):
    file = tmp_path / "changing.py"
    file.write_text(SOURCE.format(version="one"))
    server = serve("changing:Tell", "--reload", "--app-dir", str(tmp_path)).serving()
    assert ask(server) == b"one\n"
    change(server, file, "broken(\n")
    server.logged("reload failed: generation 1 goes on serving")
    assert ask(server) == b"one\n"
    change(server, file, SOURCE.format(version="two"))
    server.logged(r"reloaded: generation \d+ serves")
    while ask(server) != b"two\n":  # the old worker may still have its order to read
        pass
    assert server.end() == 0


def test_folder_that_is_missing_is_one_line(tmp_path):
    config = Config(app="a:b", reload=True, reload_dir=[f"{tmp_path}/missing"])
    with pytest.raises(ConfigError, match=r"reload-dir: there is no folder .*missing"):
        config.prepare()
