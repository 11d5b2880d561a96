"""The message about an address in use says by whom."""

import os
import re
import socket
from pathlib import Path

import pytest

from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.sockets.portholders import name_holders
from tests.support.addresses import free_address
from tests.support.sockets import needs_ipv6


def me():
    return f"process {os.getpid()} ({Path('/proc/self/comm').read_text().strip()})"


def test_process_that_listens_is_named_and_no_other():
    address = free_address()
    with socket.create_server(address):
        assert name_holders(socket.AF_INET, address) == me()
    assert name_holders(socket.AF_INET, address) == ""


@needs_ipv6
def test_process_that_listens_by_the_other_family_is_named():
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as sock:
        address = ("127.0.0.1", sock.getsockname()[1])
        assert name_holders(socket.AF_INET, address) == me()


@pytest.mark.parametrize("is_abstract", [False, True])
def test_process_that_has_a_unix_socket_is_named(tmp_path, is_abstract):
    path = f"@ngxloop-test-{os.getpid()}" if is_abstract else str(tmp_path / "a.sock")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path.replace("@", "\0"))
        sock.listen()
        assert name_holders(socket.AF_UNIX, path) == me()


@pytest.mark.parametrize("address", [("no", "port"), "", ("127.0.0.1",)])
def test_address_that_is_none_is_held_by_nobody(address):
    assert name_holders(socket.AF_INET, address) == ""


def test_child_of_a_worker_that_outlives_the_master_is_named(serve, tmp_path):
    (tmp_path / "forking.py").write_text(
        "import asyncio, os, signal, time\n"
        "class Fork(asyncio.Protocol):\n"
        "    def connection_made(self, transport):\n"
        "        pid = os.fork()\n"
        "        if pid == 0:\n"
        "            signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "            time.sleep(600)\n"
        "        transport.write(b'%d\\n' % pid)\n"
        "        transport.close()\n"
    )
    options = ("--app-dir", str(tmp_path), "--workers", "1")
    server = serve("forking:Fork", *options).serving()
    with socket.create_connection(server.address) as sock:
        pid = int(sock.recv(100))
    try:
        bind = server.addresses[0]
        assert server.end() == 0
        again = serve("forking:Fork", *options, "--bind", bind)
        assert again.ended() == ExitCode.ADDRESS_IN_USE
        assert re.search(rf"address {bind} is in use by process {pid} \(", again.log)
    finally:
        os.kill(pid, 9)
