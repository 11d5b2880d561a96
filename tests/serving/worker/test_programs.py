"""Programs that serve by themselves run in every worker, unchanged, on one port."""

import signal

import pytest

from tests.serving.programs_support import (
    EVEN,
    PROGRAMS,
    Load,
    ask_echo,
    ask_http,
    ask_smtp,
    ask_ssh,
    ask_websocket,
    is_refused,
    spread,
)
from tests.support.addresses import own_host

WORKERS = 4
CONNECTIONS = 80
# name -> package that it needs, its arguments behind host and port, how to ask
CASES = {
    "echo": (None, [], ask_echo),
    "uvicorn_run": ("uvicorn", ["asyncio"], ask_http),
    "aiohttp_run_app": ("aiohttp", [], ask_http),
    "websockets_serve": ("websockets", [], ask_websocket),
    "hypercorn_serve": ("hypercorn", [], ask_http),
    "smtp": ("aiosmtpd", [], ask_smtp),
    "ssh": ("asyncssh", [], ask_ssh),
}


@pytest.fixture(params=CASES)
def program(request, serve, tmp_path):
    """Start one of the programs in four workers; return the server and how to ask it."""
    package, arguments, ask = CASES[request.param]
    if package is not None:
        pytest.importorskip(package)
    path = PROGRAMS / f"{request.param}.py"
    if request.param == "echo":  # the text of the documentation, but for the address
        text = path.read_text()
        path = tmp_path / "echo.py"
        path.write_text(text.replace("'127.0.0.1', 8888", f"'{own_host()}', 0"))
    arguments = [str(path), own_host(), "0", *arguments]
    options = ["--workers", str(WORKERS), "--log-level", "debug"]
    server = serve(*options, *arguments, program=True)
    return server.serving(), ask


def test_a_program_serves_on_one_port_evenly_and_stops_on_one_signal(program):
    server, ask = program
    assert len(server.addresses) == 1
    ask(server.address)
    homes = spread(server.address, server.worker_pids(1), CONNECTIONS)
    assert max(homes) / (CONNECTIONS / WORKERS) <= EVEN, homes
    assert server.end() == 0
    assert is_refused(server.address)
    assert "Traceback" not in server.log


def test_a_program_is_reloaded_without_a_failed_request(program):
    server, ask = program
    old = server.address
    with Load(ask, old).running() as load:
        load.wait_for_answers(20)
        server.send(signal.SIGHUP)
        server.logged(r"reloaded: generation 2 serves")
        for _ in range(WORKERS):
            server.logged(r"worker 1\.\d \(process \d+\) exited with code 0")
        load.wait_for_answers(20)
    assert load.failures == []
    assert server.address == old
    assert len(server.addresses) == 1
    assert server.end() == 0
