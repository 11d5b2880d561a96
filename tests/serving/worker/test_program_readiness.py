"""Programs that listen without Python's listen(), or before they run their event loop."""

import signal

import pytest

from tests.serving.support import connect, http_get, receive_line
from tests.support.addresses import free_address

LISTEN_IN_C = """\
import asyncio, ctypes, signal, socket, struct, sys

libc = ctypes.CDLL(None)
address = struct.pack("=H", socket.AF_INET) + struct.pack("!H", {port}) + socket.inet_aton("{host}")
fd = libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0)
assert libc.bind(fd, address + bytes(8), 16) == 0
assert libc.listen(fd, 10) == 0
"""
SCRIPT = LISTEN_IN_C + "signal.pause()\n"
MAIN = (
    "async def main():\n"
    + "".join(f"    {line}\n" for line in LISTEN_IN_C.splitlines())
    + "    await asyncio.sleep(3600)\n"
)
BUSY = """\
import asyncio, time

async def hello(reader, writer):
    writer.write(b"hello\\n")
    writer.close()

async def main():
    server = await asyncio.start_server(hello, "{host}", {port})
    for _ in range(3):  # until the loop watches the socket
        await asyncio.sleep(0)
    time.sleep(1.0)  # in which somebody looks
    await server.serve_forever()
"""
CHILDREN = """\
import uvicorn

async def app(scope, receive, send):
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"hello\\n"}})

if __name__ == "__main__":
    uvicorn.run("children:app", host="{host}", port={port}, workers=2, lifespan="off")
"""
BOUND_BEFORE = """\
import asyncio, socket

sock = socket.create_server(("{host}", {port}))

async def hello(reader, writer):
    writer.write(b"hello\\n")
    writer.close()

async def main():
    server = await asyncio.start_server(hello, sock=sock)
    await server.serve_forever()

loop = asyncio.unix_events._UnixSelectorEventLoop()
loop.run_until_complete(main())
"""


@pytest.fixture
def start(serve, tmp_path):
    """Start a program from a text with a host and a port."""

    def start(name, text, *options):
        host, port = free_address()
        path = tmp_path / f"{name}.py"
        path.write_text(text.format(host=host, port=port))
        if "def main" in text and "run" not in text:
            app, place = f"{name}:main", ["--app-dir", str(tmp_path)]
        else:
            app, place = str(path), []
        return serve("-w", "1", *place, *options, app, program=True), (host, port)

    return start


@pytest.mark.parametrize("text", [SCRIPT, MAIN], ids=["script", "main"])
def test_program_is_ready_when_a_library_in_c_listens(start, text):
    server, address = start("listens", text)
    server.serving()
    assert "listens by a library of its own (fd " in server.log
    connect(address).close()
    assert server.end() == 0


@pytest.mark.parametrize("text", [BUSY + "\nasyncio.run(main())\n", BUSY], ids=["script", "main"])
def test_program_that_is_looked_at_before_it_is_ready_is_not_accused(start, text):
    server, address = start("busy", text)
    server.serving()
    assert " accepts for " not in server.log
    with connect(address) as sock:
        assert receive_line(sock) == b"hello\n"
    assert server.end() == 0


def test_program_is_ready_when_its_child_processes_accept(start):
    pytest.importorskip("uvicorn")
    server, address = start("children", CHILDREN)
    server.serving()
    assert " accepts for " in server.log
    assert http_get(address) == (200, b"hello\n")
    server.forget_log()
    server.send(signal.SIGHUP)  # the socket listens already; the new children have still to begin
    server.logged(" accepts for ")
    server.logged("reloaded: generation 2 serves")
    assert http_get(address) == (200, b"hello\n")
    assert server.end() == 0


@pytest.mark.parametrize("text", ["import signal; signal.pause()", "async def main(): ..."])
def test_program_that_does_not_listen_is_told_of_the_option(start, text):
    text = text.replace("...", "await __import__('asyncio').sleep(3600)")
    server, _ = start("silent", text, "--start-timeout", "1")
    assert server.ended() == 8
    assert "needs --ready-on start" in server.log


def test_foreign_loop_is_named_that_runs_after_the_program_has_listened(start):
    server, address = start("before", BOUND_BEFORE)
    server.logged("runs on asyncio.unix_events.* and not on ngxloop")
    with connect(address) as sock:
        assert receive_line(sock) == b"hello\n"
    assert server.end() == 0
    assert server.log.count("and not on ngxloop") == 1
