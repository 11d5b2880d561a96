"""Header fields that are shared between requests: what is shared, and what must not be."""

import gc

import pytest

from ngxloop.http.fieldtable import SECRET_NAMES, is_secret
from ngxloop.http.names import KNOWN_NAMES
from tests.http.serving import GET, client, hello, serving


class Fields:
    """Keeps the headers of all requests."""

    def __init__(self) -> None:
        self.seen = []

    async def __call__(self, scope, receive, send):
        """Answer one request."""
        self.seen.append(scope["headers"])
        await hello(scope, receive, send)


async def headers_of(*lines):
    """Return the headers of requests with one more line each, on one connection."""
    application = Fields()
    async with serving(application, keepalive_requests=0) as served, client(served) as peer:
        for line in lines:
            peer.send(GET[:-2] + line + b"\r\n\r\n")
            await peer.answer()
    return application.seen


async def test_pairs_are_shared_and_lists_are_not():
    first, second, third, fourth = await headers_of(*[b"X-Same: value"] * 4)
    assert first == second == third == fourth == [(b"host", b"a"), (b"x-same", b"value")]
    assert third[1] is fourth[1]
    assert third is not fourth


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"X-Same: value", b"X-Same: valuf"),
        (b"X-Same: value", b"X-Samf: value"),
        (b"X-Same: value", b"X-Same:value"),
        (b"X-Same: value", b"x-same: value"),
        (b"X: 1", b"X: 2"),
        (b"A: b: c", b"A: b:  c"),
        (b"X-Empty:", b"X-Empty: "),
    ],
)
async def test_lines_that_differ_are_told_apart(one, other):
    for seen, line in zip(
        await headers_of(one, one, one, other, one, other, other, other, one),
        [one, one, one, other, one, other, other, other, one],
        strict=True,
    ):
        name, _, value = line.partition(b":")
        assert seen[1] == (name.lower(), value.strip())


async def test_many_different_lines_keep_their_values():
    lines = [b"X-Number-%d: %d" % (number % 50, number % 1500) for number in range(4000)]
    for seen, line in zip(await headers_of(*lines), lines, strict=True):
        name, _, value = line.partition(b": ")
        assert seen[1] == (name.lower(), value)


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Bearer 31415926535",
        b"Cookie: session=31415926535",
        b"Proxy-Authorization: 31415926535",
        b"X-Auth-Token: 31415926535",
        b"X-Long: 31415926535" + b"y" * 200,
    ],
)
async def test_secrets_and_long_values_are_not_kept(line):
    await headers_of(*[line] * 4)
    gc.collect()
    values = [
        item
        for table in gc.get_objects()
        if type(table) is list and len(table) == 1024
        for item in table
        if isinstance(item, (bytes, tuple))
    ]
    assert not any(b"31415926535" in (item if type(item) is bytes else item[1]) for item in values)


async def test_what_is_kept_is_seen_by_the_test_above():
    """The way that looks for secrets finds a line that is none."""
    application = Fields()
    async with serving(application) as served, client(served) as peer:
        for _ in range(4):
            peer.send(GET[:-2] + b"X-Plain: 27182818284\r\n\r\n")
            await peer.answer()
        tables = [item for item in gc.get_objects() if type(item) is list and len(item) == 1024]
        assert any((b"x-plain", b"27182818284") in table for table in tables)


def test_secret_names():
    assert set(KNOWN_NAMES) >= SECRET_NAMES
    assert is_secret(b"cookie")
    assert is_secret(b"x-amz-security-token")
    assert is_secret(b"x-session-id")
    assert not is_secret(b"host")
    assert not is_secret(b"x-request-id")
    assert not is_secret(b"keep-alive")
