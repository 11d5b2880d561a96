"""What may stand after --bind, and what may not."""

import pytest

from ngxloop.serving.options.binds import FdBind, SystemdBind, TcpBind, UnixBind, parse_bind


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:8000", TcpBind("127.0.0.1", 8000)),
        ("localhost:0", TcpBind("localhost", 0)),
        (":80", TcpBind("", 80)),
        ("[::1]:65535", TcpBind("::1", 65535)),
        ("[fe80::1%lo]:80", TcpBind("fe80::1%lo", 80)),
        ("unix:/run/app.sock", UnixBind("/run/app.sock")),
        ("unix:app:1.sock", UnixBind("app:1.sock")),
        ("unix:@app", UnixBind("@app")),
        ("fd://3", FdBind(3)),
        ("systemd:", SystemdBind("")),
        ("systemd:web", SystemdBind("web")),
    ],
)
def test_address_is_parsed_and_written_back(text, bind):
    assert parse_bind(text) == bind
    assert str(bind) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "8000", "localhost", "localhost:", "localhost:http", "::1:80", "[::1]", "a:b:80"),
        *("[]:80", "localhost:65536", "localhost:-1", "localhost:٣", "ftp://localhost:80"),
        *("unix:", "unix:@", "unix:/a\0b", "fd://", "fd://-1", "fd://x", "fd://٣"),
        *("fd://99999999999999999999", "http://", "https://a", "http://https://:80", "tls:///"),
    ],
)
def test_what_is_no_address_is_refused_with_advice(text):
    with pytest.raises(ValueError, match=r"give |ports end at"):
        parse_bind(text)


def test_abstract_name_has_a_leading_nul_for_the_kernel():
    assert UnixBind("@app").address == "\0app"
    assert UnixBind("/run/app.sock").address == "/run/app.sock"


@pytest.mark.parametrize(
    ("text", "bind", "is_tls"),
    [
        (":80", TcpBind("", 80), None),
        ("http://:80", TcpBind("", 80), False),
        ("tcp://[::1]:80", TcpBind("::1", 80), False),
        ("https://localhost:443", TcpBind("localhost", 443), True),
        ("tls://unix:/run/app.sock", UnixBind("/run/app.sock"), True),
        ("http://fd://3", FdBind(3), False),
        ("https://systemd:web", SystemdBind("web"), True),
    ],
)
def test_address_may_say_whether_it_speaks_tls(text, bind, is_tls):
    found = parse_bind(text)
    assert (found, found.is_tls, str(found)) == (bind, is_tls, str(bind))
