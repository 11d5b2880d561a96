"""--access-log-format on the wire: the same fields with every server of HTTP."""

import json

import pytest

from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import APPS, command, connect, run_to_end

HTTP = [
    pytest.param(("web_asgi:app", "--interface", "asgi"), id="asgi"),
    pytest.param(("web_asgi:app", "--interface", "asgi-uvicorn"), id="asgi-uvicorn"),
    pytest.param(("web_aiohttp:app",), id="aiohttp"),
]
GUNICORN = '%(h)s %(l)s %(u)s "%(r)s" %(s)s %(B)s "%(f)s" "%(a)s" %({x-id}i)s %({x-none}o)s'
APACHE = '%a %l %u "%r" %>s %B "%{Referer}i" "%{User-Agent}i" %{X-Id}i %{X-None}o'
REQUEST = (
    b'GET /?z=%20 HTTP/1.1\r\nHost: test\r\nReferer: http://a/\r\nUser-Agent: ab"c\r\n'
    b"X-Id: 17\r\nAuthorization: Basic YW5uOng=\r\nConnection: close\r\n\r\n"
)


def ask(server):
    """Send a request; return status and length of the body, which has one chunk at most."""
    with connect(server.address) as sock:
        sock.sendall(REQUEST)
        answer = b""
        while data := sock.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    size = int(body.partition(b"\r\n")[0], 16) if b"chunked" in head else len(body)
    return int(answer.split()[1]), size


@pytest.mark.parametrize("form", [GUNICORN, APACHE], ids=["gunicorn", "apache"])
@pytest.mark.parametrize("app", HTTP)
def test_line_has_the_fields_of_gunicorn(serve, tmp_path, app, form):
    file = tmp_path / "access.log"
    server = serve(*app, f"--access-log={file}", "--access-log-format", form).serving()
    status, size = ask(server)
    assert server.end() == 0
    assert file.read_text() == (
        f'127.0.0.1 - ann "GET /?z=%20 HTTP/1.1" {status} {size} "http://a/" "ab\\x22c" 17 -\n'
    )


@pytest.mark.parametrize("app", HTTP)
def test_object_has_the_header_fields_that_the_format_names(serve, tmp_path, app):
    file = tmp_path / "access.log"
    options = ["--log-format", "json", "--access-log-format", "%(m)s %(s)s %({x-id}i)s"]
    server = serve(*app, f"--access-log={file}", *options)
    server.logged('"serving ')
    status, size = ask(server)
    assert server.end() == 0
    told = json.loads(file.read_text())
    assert told["message"] == f"GET {status} 17"
    assert told["{x-id}i"] == "17"
    assert (told["status"], told["body_bytes"], told["full_path"]) == (status, size, "/?z=%20")


@pytest.mark.parametrize("app", [*HTTP, pytest.param(("plain:echo",), id="streams")])
@pytest.mark.parametrize("words", [(), ("check",)], ids=["start", "check"])
def test_format_with_an_unknown_field_is_one_line(app, words):
    options = ["--app-dir", str(APPS), "--access-log", "--access-log-format", "%(h)s %(colour)s"]
    done = run_to_end(command(*words, *app, *options))
    assert done.returncode == ExitCode.USAGE
    (line,) = done.stderr.splitlines()
    assert line.startswith("ngxloop-serve: --access-log-format: '%(h)s %(colour)s' has an unknown ")


def test_request_whose_application_raises_has_status_500(serve, tmp_path):
    for interface in ("asgi", "asgi-uvicorn"):
        file = tmp_path / interface
        options = ["--interface", interface, f"--access-log={file}", "--access-log-format", "%r %s"]
        server = serve("web_engine:app", *options).serving()
        with connect(server.address) as sock:
            sock.sendall(b"GET /fail HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
            assert sock.recv(65536).startswith(b"HTTP/1.1 500 ")
        assert server.end() == 0
        assert file.read_text() == "GET /fail HTTP/1.1 500\n"
