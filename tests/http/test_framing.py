"""What fields say of the connection."""

import pytest

from tests.http.parsing import head_of, result_of

GET = b"GET / HTTP/1.%d\r\nHost: a\r\n%b\r\n"


def head(lines: bytes, minor: int = 1) -> dict:
    return head_of(GET % (minor, lines))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"Connection: upgrade\r\nUpgrade: websocket\r\n", (True, True)),
        (b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n", (True, True)),
        (b"Upgrade: h2c, websocket\r\nConnection: x\r\nConnection: UPGRADE\r\n", (True, True)),
        (b"Connection: upgrade\r\nUpgrade: h2c\r\n", (True, False)),
        (b"Connection: upgrade\r\nUpgrade: websockets\r\n", (True, False)),
        (b"Connection: upgrade\r\nUpgrade: \r\n", (False, False)),
        (b"Connection: upgrades\r\nUpgrade: websocket\r\n", (False, False)),
        (b"Upgrade: websocket\r\n", (False, False)),
    ],
)
def test_upgrade_takes_the_option_and_a_protocol(lines, expected):
    found = head(lines)

    assert (found["wants_upgrade"], found["wants_websocket"]) == expected
    assert not head(lines, minor=0)["wants_upgrade"]
    assert not head(lines, minor=0)["wants_websocket"]


@pytest.mark.parametrize(
    ("value", "in_1_0", "in_1_1"),
    [
        (b"close", False, False),
        (b"CLOSE", False, False),
        (b"keep-alive", True, True),
        (b"Keep-Alive", True, True),
        (b"x,close", False, False),
        (b"x ,\tclose\t, y", False, False),
        (b",,close,,", False, False),
        (b"close, keep-alive", False, False),
        (b"keep-alive, close", False, False),
        (b"closed", False, True),
        (b"clos", False, True),
        (b"close;x", False, True),
        (b'"close"', False, True),
        (b"keep-alives", False, True),
        (b"", False, True),
        (b",", False, True),
    ],
)
def test_connection_persists_as_its_options_say(value, in_1_0, in_1_1):
    line = b"Connection: " + value + b"\r\n"

    assert head(line, minor=0)["keeps_alive"] == in_1_0
    assert head(line, minor=1)["keeps_alive"] == in_1_1


def test_lengths_of_all_digits_are_read():
    for length in (0, 1, 9, 10, 12345678901234567890 // 10, 2**63 - 1):
        assert head(b"Content-Length: %d\r\n" % length)["content_length"] == length
    for length in (2**63, 2**64, 2**64 + 5, 10**19):
        data = GET % (1, b"Content-Length: %d\r\n" % length)
        assert result_of(data) == "invalid Content-Length"


def test_fields_that_decide_framing_are_found_behind_others():
    others = b"".join(b"X-%d: close, chunked, 5\r\n" % i for i in range(900))

    assert head(others + b"Content-Length: 5\r\n")["content_length"] == 5
    assert not head(others + b"Connection: close\r\n")["keeps_alive"]
