"""--reload: a changed Python file is served soon, and a broken one changes nothing."""

import contextlib
import os
import re
import signal

import pytest

from ngxloop.serving.base.errors import ConfigError, ExitCode
from ngxloop.serving.config.config import Config
from tests.serving.support import connect, open_links, receive_line, wait_gone

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


@pytest.mark.parametrize("more", [[], ["--preload"]], ids=["forked", "preloaded"])
def test_broken_file_at_the_start_waits_for_a_change(serve, tmp_path, more):
    file = tmp_path / "changing.py"
    file.write_text("broken(\n")
    options = ["--reload", "--app-dir", str(tmp_path), "--workers", "2", *more]
    server = serve("changing:Tell", *options)
    server.logged("SyntaxError")
    server.logged("no workers serve: --reload waits for a file to change")
    change(server, file, "also broken(\n")
    server.logged("no workers serve: --reload waits for a file to change")
    change(server, file, SOURCE.format(version="good"))
    server.serving()
    assert ask(server) == b"good\n"
    change(server, file, SOURCE.format(version="better"))
    server.logged(r"reloaded: generation \d+ serves")
    assert server.end() == 0


def test_broken_file_at_the_start_waits_for_the_end_too(serve, tmp_path):
    (tmp_path / "changing.py").write_text("broken(\n")
    server = serve("changing:Tell", "--reload", "--app-dir", str(tmp_path))
    server.logged("no workers serve: --reload waits for a file to change")
    assert server.end() == 0


def start_watched(serve, tmp_path):
    """Start a server that watches, with the process id of its watcher and its source file."""
    file = tmp_path / "changing.py"
    file.write_text(SOURCE.format(version="one"))
    server = serve("changing:Tell", "--reload", "--app-dir", str(tmp_path))
    server.logged(r"(?s)(watching .* serving )|( serving .*watching )")  # in either order
    return server, int(re.findall(r"watcher\[(\d+)\] watching ", server.log)[0]), file


def test_death_of_the_watcher_ends_the_server_with_an_error(serve, tmp_path):
    server, watcher, _ = start_watched(serve, tmp_path)
    os.kill(watcher, signal.SIGKILL)
    server.logged("watches files for --reload was killed by SIGKILL; ending")
    assert server.ended() == ExitCode.WATCHER_GONE


def test_watcher_that_cannot_watch_ends_the_server_with_an_error(serve, tmp_path, monkeypatch):
    (tmp_path / "watchfiles.py").write_text("raise OSError('no more inotify instances')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    server = serve("plain:Echo", "--reload")
    assert server.ended() == ExitCode.WATCHER_GONE
    assert "no more inotify instances" in server.log


def test_watcher_leaves_signals_to_the_master_and_ends_with_it(serve, tmp_path):
    server, watcher, file = start_watched(serve, tmp_path)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(watcher, number)
    change(server, file, SOURCE.format(version="two"))
    server.logged("reloaded: generation 2 serves")
    assert server.end() == 0
    wait_gone(watcher)


def test_watcher_has_no_socket_of_the_master(serve, tmp_path):
    server, watcher, _ = start_watched(serve, tmp_path)
    assert not [link for link in open_links(watcher) if link.startswith("socket:")]
    assert server.end() == 0


def test_folder_that_is_missing_is_one_line(tmp_path):
    config = Config(app="a:b", reload=True, reload_dir=[f"{tmp_path}/missing"])
    with pytest.raises(ConfigError, match=r"reload-dir: there is no folder .*missing"):
        config.prepare()
