"""The examples do what their docstrings say."""

from pathlib import Path

import pytest

from tests.serving.support import connect, http_get, receive_line

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("app", "options", "words"),
    [
        ("asgi_app:app", [], b"Served by worker process %d"),
        ("aiohttp_app:make_app", ["--factory"], b'"worker": %d'),
    ],
)
def test_http_example_shows_its_worker(serve, app, options, words):
    server = serve(app, *options, "--app-dir", str(EXAMPLES)).serving()
    status, body = http_get(server.address)
    assert status == 200
    assert words % server.worker_pids(1)[0] in body


def test_echo_example_echoes(serve):
    server = serve("echo_protocol:Echo", "--app-dir", str(EXAMPLES)).serving()
    with connect(server.address) as sock:
        sock.sendall(b"hello\n")
        assert receive_line(sock) == b"hello\n"


def test_greeter_example_greets(serve, tmp_path):
    path = str(tmp_path / "greet.sock")
    options = ["--app-dir", str(EXAMPLES), "--bind", f"unix:{path}"]
    server = serve("greet_streams:greet", *options).serving()
    with connect(path) as sock:
        assert receive_line(sock) == b"Worker %d. What is your name?\n" % server.worker_pids(1)[0]
        sock.sendall(b"Ada\n")
        assert receive_line(sock) == b"Hello, Ada! Anybody else?\n"
        sock.sendall(b"\n")
        assert sock.recv(1) == b""


def test_every_example_names_the_command_that_runs_it():
    for path in EXAMPLES.glob("*.py"):
        assert f"ngxloop-serve {path.stem}:" in path.read_text()
