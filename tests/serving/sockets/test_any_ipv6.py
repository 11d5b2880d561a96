"""[::] accepts connections of both kinds, unless another address with its port is given."""

import contextlib
import re
import signal
import socket

import pytest

from tests.serving.support import connect, receive_line, wait_gone
from tests.support.addresses import PORTS, free_address
from tests.support.sockets import needs_ipv6


@needs_ipv6
@pytest.mark.parametrize("mode", ["fair", "reuseport"])
def test_any_ipv6_address_accepts_ipv4_too(serve, mode):
    options = ["--accept", mode, "--workers", "2"]
    server = serve("plain:Echo", "--bind", f"[::]:{wildcard_port()}", *options).serving()
    port = server.address[1]
    assert server.addresses == [f"[::]:{port}", f"0.0.0.0:{port}"]
    for host in ("127.0.0.1", "::1"):
        with connect((host, port)) as sock:
            assert int(receive_line(sock)) in server.worker_pids(1)


@needs_ipv6
def test_any_ipv6_address_accepts_ipv6_only_if_another_address_has_the_port(serve):
    port = wildcard_port()
    binds = ["--bind", f"[::]:{port}", "--bind", f"127.0.0.1:{port}"]
    server = serve("plain:Echo", *binds).serving()
    assert server.addresses == [f"[::]:{port}", f"127.0.0.1:{port}"]
    assert not can_connect("127.0.0.2", port)


@needs_ipv6
def test_any_ipv6_address_is_served_though_another_process_has_the_port_for_ipv4(serve):
    port = wildcard_port()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
        sock.listen()
        server = serve("plain:Echo", "--bind", f"[::]:{port}").serving()
    assert re.search(rf"\[::\]:{port} accepts IPv6 only: 0\.0\.0\.0:{port}: ", server.log)
    with connect(("::1", port)) as sock:
        assert int(receive_line(sock)) in server.worker_pids(1)


@needs_ipv6
def test_any_ipv6_address_waits_for_the_port_of_ipv4(serve):
    port = wildcard_port()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
        sock.listen()
        server = serve("plain:Echo", "--bind", f"[::]:{port}")
        server.logged(rf"\[::\]:{port} is in use; trying again")
    server.serving()
    assert server.addresses == [f"[::]:{port}", f"0.0.0.0:{port}"]
    assert "accepts IPv6 only" not in server.log


@needs_ipv6
@pytest.mark.parametrize("other", ["0.0.0.0", "127.0.0.1"])
def test_reload_adds_and_removes_another_address_with_its_port(serve, tmp_path, other):
    port, file = wildcard_port(), tmp_path / "ngxloop.toml"
    both = f'bind = ["[::]:{port}", "{other}:{port}"]\n'
    file.write_text(both)
    server = serve("plain:Echo", "--config", str(file), bind=None).serving()
    file.write_text(f'bind = "[::]:{port}"\n')
    reload(server, 2)
    if other != "0.0.0.0":  # it was in the way
        assert "accepts IPv6 only" in server.log
        reload(server, 3)
    assert can_connect("127.0.0.2", port)
    file.write_text(both)
    if other == "0.0.0.0":
        reload(server, 3)
    assert can_connect("127.0.0.1", port)
    assert can_connect("::1", port)
    assert server.end() == 0


def reload(server, number):
    server.send(signal.SIGHUP)
    server.logged(f"generation {number} serves")
    wait_gone(*server.worker_pids(number - 1))
    server.caught_up()


def wildcard_port():
    """Return a port that is free on every address of both kinds."""
    for _ in PORTS:
        port = free_address()[1]
        with socket.socket() as ipv4, socket.socket(socket.AF_INET6) as ipv6:
            ipv6.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            with contextlib.suppress(OSError):
                ipv4.bind(("0.0.0.0", port))
                ipv6.bind(("::", port))
                return port
    raise AssertionError("no port is free everywhere")


def can_connect(host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as sock:
        return sock.connect_ex((host, port)) == 0
