"""Whose client a request is, where proxies stand in front."""

import asyncio

import pytest

from ngxloop.http import Options
from ngxloop.http.proxies import TrustedProxies
from tests.http.serving import GET, client, hello, serving
from tests.support.sockets import LOOPBACK

LOCAL = (LOOPBACK, 5)


def scope_of(peer, *fields):
    return {"client": peer, "scheme": "http", "headers": list(fields)}


def client_in(allowed, peer, *values, hops=1):
    """Return the client of a request with lines of X-Forwarded-For."""
    scope = scope_of(peer, *[(b"x-forwarded-for", value) for value in values])
    TrustedProxies(allowed, hops).apply(scope)
    return scope["client"]


@pytest.mark.parametrize(
    ("allowed", "values", "expected"),
    [
        (LOOPBACK, [b"192.0.2.1"], "192.0.2.1"),
        (LOOPBACK, [b"198.51.100.1, 192.0.2.1"], "192.0.2.1"),  # the left one may be invented
        (LOOPBACK, [b"198.51.100.1", b"192.0.2.1"], "192.0.2.1"),
        (f"{LOOPBACK}, 192.0.2.0/24", [b"198.51.100.1,192.0.2.1"], "198.51.100.1"),
        (f"{LOOPBACK}, 192.0.2.0/24", [b"192.0.2.7, 192.0.2.1"], "192.0.2.7"),
        (LOOPBACK, [b"2001:db8::1"], "2001:db8::1"),
        (f"{LOOPBACK},2001:db8::/32", [b"198.51.100.1, 2001:db8::1"], "198.51.100.1"),
        (f"{LOOPBACK},192.0.2.1", [b"198.51.100.1, ::ffff:192.0.2.1"], "198.51.100.1"),
        (f"{LOOPBACK},::ffff:192.0.2.0/120", [b"198.51.100.1, 192.0.2.1"], "198.51.100.1"),
        (LOOPBACK, [b'fe80::1%a b" 200'], LOOPBACK),  # a scope may be any text
        (LOOPBACK, [b"unknown"], LOOPBACK),
        (LOOPBACK, [b"192.0.2.1, _hidden"], LOOPBACK),
        (f"{LOOPBACK}, 192.0.2.1", [b"unknown, 192.0.2.1"], "192.0.2.1"),
        (LOOPBACK, [b""], LOOPBACK),
        (LOOPBACK, [b","], LOOPBACK),
        (LOOPBACK, [b"\xff\xfe"], LOOPBACK),
        (LOOPBACK, [], LOOPBACK),
        ("192.0.2.1", [b"198.51.100.1"], LOOPBACK),  # the peer is not trusted
        ("", [b"198.51.100.1"], LOOPBACK),
    ],
)
def test_the_first_address_from_the_right_that_is_not_trusted(allowed, values, expected):
    assert client_in(allowed, LOCAL, *values)[0] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"192.0.2.1:4711", ("192.0.2.1", 4711)),
        (b"192.0.2.1", ("192.0.2.1", 0)),
        (b"[2001:db8::1]:80", ("2001:db8::1", 80)),
        (b"[2001:db8::1]", ("2001:db8::1", 0)),
        (b"2001:db8::1", ("2001:db8::1", 0)),
        (b"192.0.2.1:65536", LOCAL),
        (b"192.0.2.1:x", LOCAL),
        (b"192.0.2.1:-1", LOCAL),
        (b"[2001:db8::1]80", LOCAL),
        (b"[2001:db8::1", ("2001:db8::1", 0)),
    ],
)
def test_an_address_may_have_a_port(text, expected):
    assert client_in(LOOPBACK, LOCAL, text) == expected


@pytest.mark.parametrize(
    ("hops", "expected"), [(1, "192.0.2.3"), (2, "192.0.2.2"), (3, "192.0.2.1"), (9, "192.0.2.1")]
)
def test_where_all_are_trusted_the_number_of_proxies_decides(hops, expected):
    values = b"192.0.2.1, 192.0.2.2, 192.0.2.3"
    assert client_in("*", ("198.51.100.9", 1), values, hops=hops)[0] == expected


@pytest.mark.parametrize(
    ("allowed", "expected"), [("unix:", "192.0.2.1"), ("*", "192.0.2.1"), (LOOPBACK, None)]
)
def test_a_peer_on_a_unix_socket_has_a_name_of_its_own(allowed, expected):
    found = client_in(allowed, None, b"192.0.2.1")
    assert (found and found[0]) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"https", "https"),
        (b"HTTPS", "https"),
        (b"http", "http"),
        (b"http, https", "https"),
        (b"javascript", "http"),
        (b"", "http"),
    ],
)
def test_the_scheme(value, expected):
    for allowed, scheme in ((LOOPBACK, expected), ("192.0.2.1", "http")):
        scope = scope_of(LOCAL, (b"x-forwarded-proto", value))
        TrustedProxies(allowed, 1).apply(scope)
        assert scope["scheme"] == scheme


@pytest.mark.parametrize(
    "options",
    [
        {"forwarded_allow_ips": "localhost"},
        {"forwarded_allow_ips": "192.0.2.1/24"},
        {"forwarded_hops": 0},
    ],
)
def test_options_are_checked(options):
    with pytest.raises(ValueError, match=r"localhost|host bits|positive"):
        Options(**options)


@pytest.mark.parametrize("trusted", [False, True])
async def test_a_request_through_a_proxy(trusted):
    scopes = []
    records = []

    async def application(scope, receive, send):
        scopes.append(scope)
        await hello(scope, receive, send)

    options = {"forwarded_allow_ips": LOOPBACK} if trusted else {}
    async with (
        serving(application, access_log=records.append, **options) as served,
        client(served) as peer,
    ):
        for fields in (b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n", b""):
            peer.send(GET[:-2] + fields + b"\r\n")
            await peer.answer()
    first, second = scopes
    assert first["client"][0] == records[0].client[0] == ("192.0.2.1" if trusted else LOOPBACK)
    assert first["scheme"] == ("https" if trusted else "http")
    assert (second["client"][0], second["scheme"]) == (LOOPBACK, "http")


async def test_a_proxy_on_a_unix_socket(tmp_path):
    scopes = []

    async def application(scope, receive, send):
        scopes.append(scope)
        await hello(scope, receive, send)

    path = str(tmp_path / "socket")
    async with serving(application, forwarded_allow_ips="unix:") as served:
        loop = asyncio.get_running_loop()
        listening = await loop.create_unix_server(served.server.protocol, path)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(GET[:-2] + b"X-Forwarded-For: 192.0.2.1:80\r\n\r\n")
        assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200 ")
        writer.close()
        listening.close()
    assert scopes[0]["client"] == ("192.0.2.1", 80)
    assert scopes[0]["server"] == (path, None)
