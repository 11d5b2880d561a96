"""Slow, silent and odd clients of our own HTTP server in workers."""

import contextlib
import socket

import pytest

from tests.serving.http_support import GET, ask, ask_once, is_closed
from tests.serving.support import connect, receive_until


@pytest.fixture
def served(serve):
    """Serve an application of web_engine.py with the interface asgi."""
    return lambda app="app", *options: serve(f"web_engine:{app}", "--interface", "asgi", *options)


def test_endless_header_field_is_refused(served):
    server = served().serving()
    with connect(server.address) as sock:
        sock.sendall(GET[:-2] + b"A: ")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 64 << 20:
                sent += sock.send(bytes(b"a" * 65536))
    assert sent < 16 << 20  # what the kernel's buffers take
    assert ask_once(server).status == 200


def test_half_requests_end_and_give_way_to_others(served):
    options = ["--worker-connections", "16", "--client-header-timeout", "0.5"]
    options += ["--lingering-timeout", "1000", "--lingering-time", "1000"]
    server = served("app", *options).serving()
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(connect(server.address))
            sock.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert ask_once(server).status == 200


def test_half_closed_client_gets_its_answer(served):
    server = served().serving()
    with connect(server.address) as sock:
        sock.sendall(GET)
        sock.shutdown(socket.SHUT_WR)
        assert receive_until(sock, b"").startswith(b"HTTP/1.1 200 OK\r\n")


def test_idle_connection_is_still_answered_after_a_refusal_elsewhere(served):
    server = served().serving()
    with connect(server.address) as idle, connect(server.address) as bad:
        assert ask(idle).status == 200
        assert ask(bad, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").status == 400
        assert is_closed(bad)
        server.logged("WARNING worker .* a client began a TLS handshake on a port without TLS")
        assert ask(idle).status == 200
