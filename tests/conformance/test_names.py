"""getaddrinfo and getnameinfo."""

import asyncio
import logging
import socket
import threading

import pytest

from tests.support.loops import is_stdlib

QUESTIONS = [
    ("127.0.0.1", 80, {}),
    ("127.0.0.1", 80, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", None, {"type": socket.SOCK_DGRAM}),
    ("127.0.0.1", 80, {"family": socket.AF_INET, "proto": socket.IPPROTO_UDP}),
    ("::1", 80, {"type": socket.SOCK_STREAM}),
    ("::1", 80, {"family": socket.AF_INET6, "flags": socket.AI_PASSIVE}),
    ("::ffff:1.2.3.4", 0, {}),
    ("0:0:0:0:0:0:0:1", 65535, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", 80, {"flags": socket.AI_CANONNAME, "type": socket.SOCK_STREAM}),
    ("127.1", 80, {"type": socket.SOCK_STREAM}),
    ("fe80::1%lo", 80, {"type": socket.SOCK_STREAM}),
    ("127.0.0.1", "80", {"type": socket.SOCK_STREAM}),
    (b"127.0.0.1", 80, {"type": socket.SOCK_STREAM}),
    ("localhost", 80, {"type": socket.SOCK_STREAM}),
    (None, 80, {"type": socket.SOCK_STREAM, "flags": socket.AI_PASSIVE}),
]


@pytest.mark.parametrize(("host", "port", "options"), QUESTIONS, ids=repr)
async def test_the_answer_is_that_of_the_socket_module(host, port, options):
    answer = await asyncio.get_running_loop().getaddrinfo(host, port, **options)
    expected = socket.getaddrinfo(host, port, **options)
    assert answer == expected
    for got, wanted in zip(answer, expected, strict=True):
        assert [type(part) for part in got] == [type(part) for part in wanted]


@pytest.mark.parametrize(
    ("host", "options"),
    [
        ("::1", {"family": socket.AF_INET}),
        ("127.0.0.1", {"type": socket.SOCK_STREAM, "proto": socket.IPPROTO_UDP}),
        ("host.invalid", {}),
    ],
    ids=repr,
)
async def test_the_error_is_that_of_the_socket_module(host, options):
    with pytest.raises(socket.gaierror) as expected:
        socket.getaddrinfo(host, 80, **options)
    with pytest.raises(socket.gaierror) as error:
        await asyncio.get_running_loop().getaddrinfo(host, 80, **options)
    assert error.value.args == expected.value.args


@pytest.mark.parametrize("port", [-1, 65536, 1 << 70, 1.5], ids=repr)
async def test_a_strange_port_is_the_socket_modules_affair(port):
    expected = outcome(lambda: socket.getaddrinfo("127.0.0.1", port))
    try:
        got = await asyncio.get_running_loop().getaddrinfo("127.0.0.1", port)
    except Exception as exc:
        got = (type(exc), str(exc))
    assert got == expected


def outcome(call):
    try:
        return call()
    except Exception as exc:
        return type(exc), str(exc)


async def test_a_replaced_socket_getaddrinfo_is_asked(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args: args)
    loop = asyncio.get_running_loop()
    assert await loop.getaddrinfo("127.0.0.1", 1) == ("127.0.0.1", 1, 0, 0, 0, 0)
    assert await loop.getaddrinfo("a name", 1, type=2) == ("a name", 1, 0, 2, 0, 0)


async def test_a_replaced_method_of_the_loop_is_asked_by_create_connection():
    loop = asyncio.get_running_loop()
    asked = []

    async def getaddrinfo(host, port, **options):
        asked.append((host, port))
        raise socket.gaierror(1, "not today")

    loop.getaddrinfo = getaddrinfo
    with pytest.raises(socket.gaierror, match="not today"):
        await loop.create_connection(asyncio.Protocol, "a name", 1)
    assert asked == [("a name", 1)]


async def test_a_number_needs_no_thread():
    loop = asyncio.get_running_loop()
    if is_stdlib(loop):
        return
    before = threading.active_count()
    await loop.getaddrinfo("127.0.0.1", 80)
    assert threading.active_count() == before


async def test_a_look_up_is_logged_in_debug_mode(caplog):
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    with caplog.at_level(logging.DEBUG, logger="asyncio"):
        await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    loop.set_debug(False)
    messages = [text for text in caplog.messages if "127.0.0.1:80" in text]
    assert messages[0].startswith("Get address info 127.0.0.1:80, type=")
    assert messages[1].startswith("Getting address info 127.0.0.1:80, type=")


def test_a_closed_loop_resolves_nothing(loop):
    loop.close()
    resolving = loop.getaddrinfo("127.0.0.1", 80)
    with pytest.raises(RuntimeError, match=r"^Event loop is closed$"):
        resolving.send(None)


async def test_getnameinfo_is_that_of_the_socket_module():
    loop = asyncio.get_running_loop()
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    assert await loop.getnameinfo(("127.0.0.1", 80), flags) == ("127.0.0.1", "80")
    assert await loop.getnameinfo(("::1", 80, 0, 0), flags) == ("::1", "80")
