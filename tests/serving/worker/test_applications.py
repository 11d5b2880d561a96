"""Every kind of application is served, detected or named, made by a factory or not."""

import pytest

from tests.serving.support import connect, http_get, receive_line


@pytest.mark.parametrize(
    ("app", "options", "interface"),
    [
        ("web_asgi:app", [], "asgi"),
        ("web_asgi:instance", [], "asgi"),
        ("web_asgi:app", ["--interface", "asgi-uvicorn"], "asgi-uvicorn"),
        ("web_asgi:make_app", ["--factory"], "asgi"),
        ("web_asgi:make_app_slowly", ["--factory"], "asgi"),
        ("web_asgi:app", ["--interface", "asgi"], "asgi"),
        ("web_asgi:instance", ["--interface", "asgi-uvicorn"], "asgi-uvicorn"),
        ("web_asgi:make_app_slowly", ["--interface", "asgi-uvicorn", "--factory"], "asgi-uvicorn"),
        ("web_aiohttp:app", [], "aiohttp"),
        ("web_aiohttp:app", ["--interface", "aiohttp"], "aiohttp"),
        ("web_aiohttp:make_app", ["--factory"], "aiohttp"),
        ("web_aiohttp:make_app_slowly", ["--factory"], "aiohttp"),
    ],
)
def test_http_application_is_served_by_a_worker(serve, app, options, interface):
    server = serve(app, *options).serving()
    status, body = http_get(server.address)
    assert status == 200
    assert int(body) in server.worker_pids(1)
    assert f"serving {app} ({interface}) with 1 worker: {server.url}\n" in server.log
    assert server.end() == 0
    assert server.log.endswith("ended\n")


def test_nothing_stands_between_uvicorn_and_the_application(serve):
    server = serve("web_asgi:app", "--interface", "asgi-uvicorn").serving()
    assert http_get(server.address, "/sender")[1].startswith(b"uvicorn.protocols.http.")


@pytest.mark.parametrize(
    ("app", "options", "interface"),
    [
        ("plain:Echo", [], "protocol"),
        ("plain:Echo", ["--interface", "protocol"], "protocol"),
        ("plain:BufferedEcho", [], "protocol"),
        ("plain:make_protocol_class", ["--factory"], "protocol"),
        ("plain:echo", [], "streams"),
        ("plain:many", ["--interface", "streams"], "streams"),
    ],
)
def test_plain_application_is_served_by_a_worker(serve, app, options, interface):
    server = serve(app, *options).serving()
    with connect(server.address) as sock:
        assert int(receive_line(sock)) in server.worker_pids(1)
    assert f"serving {app} ({interface}) with 1 worker: {server.addresses[0]}\n" in server.log
    assert server.end() == 0


@pytest.mark.parametrize("app", ["plain:Echo", "plain:BufferedEcho", "plain:echo"])
def test_plain_application_exchanges_data(serve, app):
    server = serve(app).serving()
    with connect(server.address) as sock:
        receive_line(sock)
        sock.sendall(b"one\n")
        assert receive_line(sock) == b"one\n"


def test_stream_handler_that_raises_closes_its_connection_and_is_reported(serve):
    server = serve("plain:echo").serving()
    with connect(server.address) as sock:
        receive_line(sock)
        sock.sendall(b"raise\n")
        assert sock.recv(1) == b""
    server.logged("RuntimeError: asked to")


@pytest.mark.parametrize("app", ["web_asgi:app", "web_aiohttp:app"])
@pytest.mark.parametrize("wanted", [True, False])
def test_access_log_has_a_line_for_each_request_if_it_is_wanted(serve, tmp_path, app, wanted):
    with (tmp_path / "access").open("w+") as access_log:
        options = ["--access-log"] if wanted else []
        server = serve(app, *options, stdout=access_log.fileno()).serving()
        http_get(server.address)
        assert server.end() == 0
        access_log.seek(0)
        lines = access_log.readlines()
    assert len(lines) == wanted
    assert all("GET / HTTP/1.1" in line and " 200" in line for line in lines)


def test_lifespan_has_ended_when_the_worker_ends(serve):
    server = serve("web_asgi:app").serving()
    assert server.end() == 0
    assert "lifespan ended" in server.log


def test_aiohttp_application_is_cleaned_up_when_the_worker_ends(serve):
    server = serve("web_aiohttp:app").serving()
    assert server.end() == 0
    assert "application cleaned up" in server.log
