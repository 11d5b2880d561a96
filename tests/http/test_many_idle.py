"""Ten thousand connections that wait for a request: what they cost together."""

import json
import os
import resource
import subprocess
import sys
import threading

import pytest

from tests.support.waiting import DEADLINE

COUNT = 10_000
# The kernel's memory of a socket is not counted: no server has a say in it.
BYTES_MAX = 1_100

# Serves until all clients are idle; then says what each of them takes, and how often the loop has
# turned and the process has slept in a second.
SERVER = """
import asyncio, gc, json, re, sys
import ngxloop
from ngxloop.http import HttpServer
from tests.http.serving import hello

COUNT, WARM = map(int, sys.argv[1:])

def resident_bytes():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * 4096

def sleep_count():
    status = open("/proc/self/status").read()
    return int(re.search(r"\\nvoluntary_ctxt_switches:\\s+(\\d+)", status)[1])

async def main():
    loop = asyncio.get_running_loop()
    server = HttpServer(hello, lifespan="off")
    listening = await loop.create_server(server.protocol, "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    engine = server.engine
    while not (engine.request_count == WARM and engine.active_count == 0):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    before = resident_bytes()
    print("warm", flush=True)
    while not (engine.request_count == WARM + COUNT and engine.active_count == 0):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)  # see test_idle.py
    bytes_each = (resident_bytes() - before) / COUNT
    turns, sleeps = loop.stats().turn_count, sleep_count()
    await asyncio.sleep(1.0)
    turns, sleeps = loop.stats().turn_count - turns, sleep_count() - sleeps
    print(json.dumps({"bytes": bytes_each, "turns": turns, "sleeps": sleeps}), flush=True)

ngxloop.run(main())
"""

# Asks once on each connection, and stays until its input ends.
CLIENTS = """
import socket, sys
port, count, warm = map(int, sys.argv[1:])
socks = []
for number in range(warm + count):
    if number == warm:
        sys.stdin.readline()
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    sock.recv(1000)
    socks.append(sock)
sys.stdin.readline()
"""

WARM = 100
LIMIT = """
import resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
"""
needs_descriptors = pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < COUNT + 1000, reason="too few open files"
)
# AddressSanitizer keeps what is freed.
is_sanitized = "libasan" in os.environ.get("LD_PRELOAD", "")


@pytest.fixture
def start():
    """Start scripts with as many descriptors as they may have; they are killed after the test."""
    processes = []

    def run(script, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", LIMIT + script, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    guard = threading.Timer(4 * DEADLINE, lambda: [process.kill() for process in processes])
    guard.start()
    yield run
    guard.cancel()
    for process in processes:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@needs_descriptors
def test_ten_thousand_idle_connections_are_small_and_cost_no_turn(start):
    server = start(SERVER, COUNT, WARM)
    clients = start(CLIENTS, int(server.stdout.readline()), COUNT, WARM)
    assert server.stdout.readline() == "warm\n"
    clients.stdin.write("\n")
    clients.stdin.flush()
    told = json.loads(server.stdout.readline())
    assert told["turns"] <= 2  # for the server's own timer
    assert told["sleeps"] <= 3
    assert told["bytes"] <= BYTES_MAX or is_sanitized
