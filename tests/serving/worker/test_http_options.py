"""Options of HTTP, each as a client sees it; what an interface does not have is refused."""

import json
import signal

import pytest

from ngxloop import cli
from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.config.config import OPTIONS
from ngxloop.serving.options.http import ENGINE, EVERY_ASGI
from tests.serving.http_support import (
    GET,
    Answer,
    ask,
    ask_once,
    get,
    is_closed,
    post,
)
from tests.serving.support import APPS, command, connect, receive_line, run_to_end

APP = "web_engine:app"
BOTH = pytest.mark.parametrize("interface", EVERY_ASGI)
SHORT = "0.3"


@pytest.fixture
def served(serve):
    """Serve the application of web_engine.py with the interface asgi."""
    return lambda *options: serve(APP, "--interface", "asgi", *options).serving()


# ---- what every ASGI server has


@BOTH
def test_root_path_is_in_front_of_the_path(serve, interface):
    server = serve(APP, "--interface", interface, "--root-path", "/api/").serving()
    told = json.loads(ask_once(server).body)
    assert (told["root_path"], told["path"]) == ("/api", "/api/")


@BOTH
def test_idle_connection_is_closed_after_the_keep_alive_time(serve, interface):
    server = serve(APP, "--interface", interface, "--timeout-keep-alive", SHORT).serving()
    with connect(server.address) as sock:
        assert ask(sock).status == 200
        assert is_closed(sock)


@BOTH
def test_keep_alive_time_of_0_ends_the_connection_with_the_answer(serve, interface):
    server = serve(APP, "--interface", interface, "--timeout-keep-alive", "0").serving()
    with connect(server.address) as sock:
        answer = ask(sock)
        assert answer.status == 200
        assert is_closed(sock)
    assert interface != "asgi" or answer.fields["connection"] == "close"


@BOTH
def test_request_above_the_limit_of_concurrency_gets_503(serve, interface):
    # uvicorn counts connections, and does so before it looks at the request
    limit = {"asgi": "1", "asgi-uvicorn": "2"}[interface]
    server = serve(APP, "--interface", interface, "--limit-concurrency", limit).serving()
    with connect(server.address) as first:
        first.sendall(get("/poll"))
        server.logged("poll waits")
        with connect(server.address) as second:
            answer = ask(second)
    assert answer.status == 503
    assert interface != "asgi" or answer.fields["retry-after"] == "1"


@BOTH
def test_server_and_date_can_be_left_out(serve, interface):
    options = ["--interface", interface, "--no-server-header", "--no-date-header"]
    fields = ask_once(serve(APP, *options).serving()).fields
    assert not {"server", "date"} & set(fields)


@BOTH
def test_server_and_date_are_there_by_default(serve, interface):
    fields = ask_once(serve(APP, "--interface", interface).serving()).fields
    assert fields["server"] == {"asgi": "ngxloop", "asgi-uvicorn": "uvicorn"}[interface]
    assert fields["date"].endswith(" GMT")


@BOTH
def test_headers_are_in_every_answer(serve, interface):
    options = ["--header", "X-Frame-Options: DENY", "--header", "Server:mine"]
    fields = ask_once(serve(APP, "--interface", interface, *options).serving()).fields
    assert (fields["x-frame-options"], fields["server"]) == ("DENY", "mine")


def test_options_can_stand_in_the_environment(serve):
    variables = ["NGXLOOP_INTERFACE=asgi", "NGXLOOP_HEADER=a:b,c:d", "NGXLOOP_SERVER_HEADER=no"]
    server = serve(APP, wrapper=["env", *variables]).serving()
    fields = ask_once(server).fields
    assert (fields["a"], fields["c"], "server" in fields) == ("b", "d", False)


def test_options_can_stand_in_the_file(serve, tmp_path):
    file = tmp_path / "ngxloop.toml"
    file.write_text('interface = "asgi"\nclient-max-body-size = "1K"\nheader = ["a: b"]\n')
    server = serve(APP, "--config", str(file)).serving()
    answer = ask_once(server, post("/read", 1025))
    assert (answer.status, answer.fields["a"]) == (413, "b")


# ---- what our own has


def test_connection_ends_after_so_many_requests(served):
    with connect(served("--keepalive-requests", "2").address) as sock:
        assert "connection" not in ask(sock).fields
        assert ask(sock).fields["connection"] == "close"
        assert is_closed(sock)


def test_head_that_takes_too_long_is_answered_with_408(served):
    with connect(served("--client-header-timeout", SHORT).address) as sock:
        assert ask(sock, GET[:-2]).status == 408
        assert is_closed(sock)


def test_body_that_stops_is_answered_with_408(served):
    server = served("--client-body-timeout", SHORT)
    with connect(server.address) as sock:
        assert ask(sock, post("/read", 5) + b"he").status == 408
    server.logged("client left")


def test_client_that_takes_nothing_is_closed(served):
    server = served("--send-timeout", SHORT)
    with connect(server.address) as sock:
        sock.sendall(get("/flood"))
        server.logged("flood ended by ClientDisconnected")


@pytest.mark.parametrize("option", ["--lingering-time", "--lingering-timeout"])
def test_client_that_goes_on_sending_after_its_answer_is_closed(served, option):
    with connect(served(option, SHORT, "--client-max-body-size", "4").address) as sock:
        assert ask(sock, post("/read", 5)).status == 413
        assert is_closed(sock)  # our half ends at once
        with pytest.raises(ConnectionError):  # and then the other one
            send_for_ever(sock)


def send_for_ever(sock):
    while True:
        sock.sendall(b"more")


@pytest.mark.parametrize(
    ("options", "request_bytes", "status"),
    [
        (["--max-header-bytes", "100"], get("/", *["X: yyyyyyyyy"] * 10), 431),
        (["--max-header-line-bytes", "30"], get("/", "X: " + 30 * "y"), 431),
        (["--max-header-line-bytes", "9K"], get("/", "X: " + 9000 * "y"), 200),
        (["--max-header-bytes", "64K"], get("/", *["X: " + 8000 * "y"] * 6), 200),
        (["--max-headers", "3"], get("/", "A: b", "C: d", "E: f"), 431),
        (["--max-target-bytes", "10"], get("/0123456789"), 414),
        (["--client-max-body-size", "4"], post("/read", 5), 413),
        (["--client-max-body-size", "5"], post("/read", 5) + b"hello", 200),
    ],
    ids=lambda value: "".join(value) if isinstance(value, list) else "",
)
def test_limits_of_a_request(served, options, request_bytes, status):
    assert ask_once(served(*options), request_bytes).status == status


def test_fields_with_underscores_can_be_dropped(served):
    request = get("/", "X_A: 1", "X-B: 2")
    assert names(ask_once(served(), request)) == ["host", "x_a", "x-b"]
    assert names(ask_once(served("--no-underscores-in-headers"), request)) == ["host", "x-b"]


def names(answer: Answer) -> list[str]:
    return [name for name, _ in json.loads(answer.body)["headers"]]


# ---- mistakes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--lifespan", "maybe"], "--lifespan: 'maybe' is not one of auto, on, off"),
        (["--root-path", "api"], "--root-path: 'api' is not a path"),
        (["--timeout-keep-alive", "-1"], "--timeout-keep-alive: -1.0"),
        (["--keepalive-requests", "many"], "--keepalive-requests: 'many'"),
        (["--client-header-timeout", "x"], "--client-header-timeout: 'x'"),
        (["--max-headers", "0"], "--max-headers: 0"),
        (["--max-header-bytes", "1G"], "--max-header-bytes: 1073741824 is not a size; give 1 to"),
        (["--client-max-body-size", "big"], "--client-max-body-size: 'big' is not a size"),
        (["--limit-concurrency", "0"], "--limit-concurrency: 0"),
        (["--header", "nothing"], "--header: 'nothing' is not a header field; give NAME:VALUE"),
        (["--header", "a b: c"], "--header: 'a b: c' is not a header field"),
        (["--header", "a: b\r\nc: d"], "--header: 'a: b\\r\\nc: d' is not a header field"),
        (["--header", "Connection: close"], "--header: Connection depends on the answer"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_value_that_cannot_be_used_is_one_line(capsys, options, words):
    with pytest.raises(SystemExit) as caught:
        cli.main([APP, "--interface", "asgi", *options])
    assert caught.value.code == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"ngxloop-serve: {words}")


# A value that is not the default, for each option that not every interface has.
OTHER_VALUES = {
    "lifespan": "off",
    "root_path": "/api",
    "header": "a:b",
    "underscores_in_headers": None,
    "server_header": None,
    "date_header": None,
    "ws_per_message_deflate": None,
}
LIMITED = [one for one in OPTIONS if one.interfaces and set(one.interfaces) <= set(EVERY_ASGI)]


def set_differently(option):
    value = OTHER_VALUES.get(option.name, "7")
    return [f"--no-{option.key}"] if value is None else [option.flag, value]


def refused_line(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize(
    "option", [one for one in LIMITED if one.interfaces == ENGINE], ids=lambda one: one.key
)
def test_what_uvicorn_does_not_have_is_refused_with_it(capsys, option):
    line = refused_line([APP, "--interface", "asgi-uvicorn", *set_differently(option)], capsys)
    assert ": the interface asgi-uvicorn does not have this option; --interface asgi has" in line


@pytest.mark.parametrize("option", LIMITED, ids=lambda one: one.key)
def test_what_only_asgi_has_is_refused_with_a_script_and_aiohttp(capsys, option):
    for arguments in ([APP, "--interface", "aiohttp"], ["--no-daemon"]):
        line = refused_line([*arguments, *set_differently(option), *script(arguments)], capsys)
        assert "does not have this option; --interface asgi has it" in line


def script(arguments):
    return [] if "--interface" in arguments else ["program.py"]


@pytest.mark.parametrize("words", [[], ["check"]], ids=["serve", "check"])
@pytest.mark.parametrize("app", ["web_aiohttp:app", "plain:Echo"])
def test_what_the_interface_that_auto_finds_does_not_have_is_refused(words, app):
    options = ["--max-headers", "7", "--app-dir", str(APPS), "--bind", "127.0.0.1:0"]
    result = run_to_end(command(*words, app, *options, "--log-level", "error"))
    assert result.returncode == ExitCode.USAGE
    (line,) = result.stderr.splitlines()
    assert line.startswith("ngxloop-serve: --max-headers: the interface ")


def test_a_default_value_is_refused_by_nobody(serve):
    server = serve("plain:Echo", "--max-headers", "1000").serving()
    with connect(server.address) as sock:
        assert receive_line(sock)


def test_reload_with_an_option_that_the_interface_does_not_have_fails(serve, tmp_path):
    file = tmp_path / "ngxloop.toml"
    file.write_text("")
    options = ["--interface", "asgi-uvicorn", "--config", str(file)]
    server = serve(APP, *options).serving()
    with connect(server.address) as sock:
        file.write_text("max-headers = 7\n")
        server.send(signal.SIGHUP)
        server.logged("max-headers: the interface asgi-uvicorn does not have this option")
        assert ask(sock).status == 200
