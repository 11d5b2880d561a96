"""Clients of the status page and the control socket that ask badly, slowly, or not at all."""

import contextlib
import json
import socket
import struct

import pytest

from ngxloop.serving.admin.requestserver import (
    CONNECTION_COUNT,
    REQUEST_BYTES,
    RequestProtocol,
    RequestServer,
)
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.process.poller import Poller
from tests.serving.support import connect, http_get, receive_line

REQUEST = b"GET /healthz HTTP/1.0\r\nHost: x\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


@pytest.fixture
def served(serve, tmp_path):
    """A master with a status page, and its control socket."""
    control = str(tmp_path / "control")
    options = ["--status-bind", "127.0.0.1:0", "--control-socket", control]
    server = serve("plain:Echo", *options).serving()
    host, _, port = server.status_address.rpartition(":")
    server.status, server.control = (host, int(port)), control
    return server


def is_well(server):
    answer = ask(server.control, b'{"command": "status"}\n')
    failed = {name for name, n in answer["result"]["failures"]["handlers"].items() if n}
    assert failed == set()
    assert http_get(server.status, "/healthz") == (200, b"ok\n")
    return True


def ask(path, line):
    with connect(path) as sock:
        sock.sendall(line)
        return json.loads(receive_line(sock))


def test_client_that_resets_at_any_byte_ends_its_connection_only(served):
    for length in range(len(REQUEST) + 1):
        with connect(served.status) as sock:
            sock.sendall(REQUEST[:length])
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    assert is_well(served)


def test_client_that_closes_without_reading_its_answer_ends_its_connection_only(served):
    for _ in range(50):
        with connect(served.status) as sock:
            sock.sendall(b"GET /status.json HTTP/1.0\r\n\r\n")
    assert is_well(served)


def test_client_that_closes_its_half_gets_its_answer(served):
    with connect(served.status) as sock:
        sock.sendall(REQUEST)
        sock.shutdown(socket.SHUT_WR)
        assert receive_line(sock) == b"HTTP/1.0 200 OK\r\n"
    with connect(served.status) as sock:
        sock.sendall(REQUEST[:-1])
        sock.shutdown(socket.SHUT_WR)
        assert receive_line(sock) == b""


def test_request_that_comes_byte_by_byte_is_answered(served):
    with connect(served.status) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for one in REQUEST:
            sock.sendall(bytes([one]))
        assert receive_line(sock) == b"HTTP/1.0 200 OK\r\n"


def test_what_follows_a_request_is_not_its_end(served):
    with connect(served.status) as sock:
        sock.sendall(REQUEST + b"\0\xff" * 1000 + REQUEST)
        assert receive_line(sock) == b"HTTP/1.0 200 OK\r\n"
    assert ask(served.control, b'{"command": "fly"}\n{"command": "stop"}\n')["ok"] is False
    assert is_well(served)


@pytest.mark.parametrize("address", ["status", "control"])
def test_client_that_sends_without_end_is_answered_and_cut_off(served, address):
    ended = contextlib.suppress(BrokenPipeError, ConnectionResetError)
    with connect(getattr(served, address)) as sock, ended:
        while True:
            sock.sendall(b"x" * 10000)
    assert is_well(served)


@pytest.mark.parametrize("address", ["status", "control"])
def test_silent_clients_do_not_keep_one_that_asks_waiting(served, address):
    with contextlib.ExitStack() as opened:
        silent = [connect(getattr(served, address)) for _ in range(5 * CONNECTION_COUNT)]
        for sock in silent:
            opened.callback(sock.close)
        if address == "status":
            assert http_get(served.status, "/healthz") == (200, b"ok\n")
        else:
            assert ask(served.control, b'{"command": "status"}\n')["ok"]
        # The newest are still there: room was made for the one that asked, not by a time-out.
        silent[-1].setblocking(False)
        with pytest.raises(BlockingIOError):
            silent[-1].recv(1)
        assert silent[0].recv(1) == b""


def test_clients_that_read_no_answer_do_not_keep_another_one_waiting(served):
    with contextlib.ExitStack() as opened:
        for _ in range(2 * CONNECTION_COUNT):
            sock = opened.enter_context(connect(served.status))
            sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert http_get(served.status, "/healthz") == (200, b"ok\n")


LONG = REQUEST_BYTES - len(b"GET / HTTP/1.0\r\n\r\n")
REQUESTS = {
    "no version": (b"GET /" + b"a" * 4000 + b"\r\n\r\n", 400),
    "spaces": (b"GET " + b" " * 4000 + b"\r\n\r\n", 400),
    "of the largest size": (b"GET /" + b"a" * LONG + b" HTTP/1.0\r\n\r\n", 404),
    "too large by one": (b"GET /" + b"a" * (LONG + 1) + b" HTTP/1.0\r\n\r\n", 431),
    "16 kB without a version": (b"GET /" + b"a" * 16000 + b"\r\n\r\n", 431),
    "another version": (b"GET / HTTP/2.0\r\n\r\n", 400),
    "four words": (b"GET / / HTTP/1.0\r\n\r\n", 400),
    "no slash": (b"GET x HTTP/1.0\r\n\r\n", 400),
    "lower case": (b"get / HTTP/1.0\r\n\r\n", 400),
    "not of ASCII": (b"GET /\xe4 HTTP/1.0\r\n\r\n", 400),
    "a control": (b"GET /\x1b[2J HTTP/1.0\r\n\r\n", 400),
    "nothing": (b"\r\n\r\n", 400),
    "a query": (b"GET /healthz?" + b"?" * 1000 + b" HTTP/1.1\r\n\r\n", 200),
}


def test_request_is_answered_by_its_first_line(served):
    codes = {}
    for name, (request, _) in REQUESTS.items():
        with connect(served.status) as sock:
            sock.sendall(request)
            codes[name] = int(receive_line(sock).split()[1])
    assert codes == {name: code for name, (_, code) in REQUESTS.items()}


COMMANDS = {
    "brackets": (b"[" * 4000 + b"\n", "it nests too deeply"),
    "objects": (b'{"a":' * 800 + b"\n", "it nests too deeply"),
    "8 KiB of brackets": (b"[" * 8192 + b"\n", "at most 4096 bytes"),
    "a huge number": (b'{"command": "scale", "count": ' + b"1" * 4000 + b"}\n", "than 18 digits"),
    "a number": (b"1\n", "it is not an object"),
    "null": (b"null\n", "it is not an object"),
    "NaN": (b'{"command": "scale", "count": NaN}\n', "NaN is not JSON"),
    "Infinity": (b'{"command": "scale", "count": -Infinity}\n', "-Infinity is not JSON"),
    "a float that is infinite": (b'{"command": "scale", "count": 1e999}\n', "inf is not a number"),
    "a key twice": (b'{"command": "status", "command": "stop"}\n', "a key occurs twice"),
    "not of UTF-8": (b"\xff\xfe\n", "it is not UTF-8"),
    "UTF-16": ('{"command": "status"}'.encode("utf-16-le") + b"\n", "not a command"),
    "nothing": (b"\n", "not a command"),
    "zeros": (b"\0" * 4000 + b"\n", "not a command"),
    "no command": (b"{}\n", 'it has no "command"'),
    "a surrogate": (b'{"command": "\\ud800"}\n', r"unknown command '\ud800'"),
    "a long name": (b'{"command": "' + b"x" * 4000 + b'"}\n', "xxx...; there are stop, quit"),
    "escape codes": (b'{"command": "\\u001b[2J"}\n', r"unknown command '\x1b[2J'"),
    "a count of lists": (b'{"command": "scale", "count": [[1]]}\n', "[[1]] is not a number"),
}


def test_command_that_is_none_gets_one_clear_error(served):
    for name, (line, words) in COMMANDS.items():
        answer = ask(served.control, line)
        assert answer["ok"] is False, name
        assert words in answer["error"], name
        assert answer["error"].isprintable(), name
        assert len(answer["error"]) < 250, name
    assert is_well(served)


def test_connection_that_epoll_refuses_is_closed_and_the_next_one_served(monkeypatch):
    poller = Poller()
    protocol = RequestProtocol(
        HandlerName.STATUS_LISTENER,
        HandlerName.STATUS_CONNECTION,
        end=b"\n",
        answer=lambda question, reply: reply(question.upper()),
        too_long=b"too long",
    )
    add, refused = poller.add, []

    def refuse_once(fd, handler, events=1):
        if not refused:
            refused.append(fd)
            raise OSError(28, "No space left on device")
        add(fd, handler, events)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RequestServer(poller, listener, protocol)
        monkeypatch.setattr(poller, "add", refuse_once)
        with socket.create_connection(listener.getsockname()) as first:
            poller.wait(10)
            assert first.recv(1) == b""
        with socket.create_connection(listener.getsockname()) as second:
            second.sendall(b"hello\n")
            second.setblocking(False)
            answer = b""
            while not answer:
                poller.wait(10)
                with contextlib.suppress(BlockingIOError):
                    answer = second.recv(10)
            assert answer == b"HELLO\n"
        server.close()
    poller.close()
    assert poller.failures.counts[HandlerName.STATUS_CONNECTION] == 1
