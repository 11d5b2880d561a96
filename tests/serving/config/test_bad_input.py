"""What cannot be served ends with one line and an exit code; only user code shows a traceback."""

import os
import socket
import subprocess

import pytest

from ngxloop import cli
from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import APPS, command, run_to_end

FREE = ["--bind", "127.0.0.1:0", "--app-dir", str(APPS)]


def run(*arguments, **options):
    return run_to_end(command(*arguments), **options)


def complaints(result):
    return [line for line in result.stderr.splitlines() if line.startswith("ngxloop-serve: ")]


def assert_one_line(result, code, *words):
    assert result.returncode == code, result.stderr
    lines = complaints(result)
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["required: APP"]),
        (["web_asgi"], ["APP: 'web_asgi'", "MODULE:NAME"]),
        (["shop/web.py:app"], ["give shop.web:app (see"]),
        (["shop/web:app"], ["give shop.web:app (see"]),
        (["./web:app"], ["give web:app (see"]),
        (["web:make()"], ["give web:make --factory (see"]),
        (["web_asgi:app", "--name", "a b"], ["--name: 'a b' is not a name"]),
        (["web_asgi:app", "--name", ".a"], ["--name: '.a' is not a name"]),
        (["web_asgi:"], ["APP: 'web_asgi:'"]),
        (["web asgi:app"], ["APP: 'web asgi:app'"]),
        (["web_asgi:app", "other"], ["unrecognized arguments: other"]),
        (["web_asgi:app", "--wokers", "4"], ["unknown option --wokers; did you mean --workers?"]),
        (["web_asgi:app", "--nonsense=4"], ["unknown option --nonsense (see"]),
        (["web_asgi:app", "-x"], ["unknown option -x (see"]),
        (["web_asgi:app", "--workers"], ["--workers", "expected one argument"]),
        (["web_asgi:app", "--workers", "0"], ["--workers: 0", "auto"]),
        (["web_asgi:app", "--workers", "-1"], ["--workers: -1"]),
        (["web_asgi:app", "--workers", "many"], ["--workers: 'many'"]),
        (["web_asgi:app", "--accept", "best"], ["--accept: 'best'", "fair, mutex"]),
        (
            ["web_asgi:app", "--interface", "wsgi"],
            ["--interface: 'wsgi'", "asgi, asgi-uvicorn, aiohttp"],
        ),
        (["web_asgi:app", "--backlog", "0"], ["--backlog: 0"]),
        (["web_asgi:app", "--backlog", "long"], ["--backlog: 'long'"]),
        (["web_asgi:app", "--graceful-timeout", "soon"], ["--graceful-timeout: 'soon'"]),
        (["web_asgi:app", "--graceful-timeout", "-1"], ["--graceful-timeout: -1"]),
        (["web_asgi:app", "--graceful-timeout", "inf"], ["--graceful-timeout: inf"]),
        (["web_asgi:app", "--idle-grace", "nan"], ["--idle-grace: nan"]),
        (
            ["web_asgi:app", "--start-timeout", "0"],
            ["--start-timeout: a time of 0"],
        ),
        (["web_asgi:app", "--socket-mode", "999"], ["--socket-mode: '999'", "octal"]),
        (["web_asgi:app", "--socket-mode", "7777"], ["--socket-mode: 4095"]),
        (["web_asgi:app", "--log-level", "loud"], ["--log-level: 'loud'"]),
        (["web_asgi:app", "--app-dir", ""], ["--app-dir: ''"]),
        (["web_asgi:app", "--bind", "8000"], ["--bind: '8000'", "HOST:PORT"]),
        (["web_asgi:app", "--bind", "::1:8000"], ["--bind: '::1:8000'"]),
        (["web_asgi:app", "--bind", "localhost:http"], ["--bind: 'localhost:http'"]),
        (["web_asgi:app", "--bind", "localhost:70000"], ["--bind: port 70000"]),
        (["web_asgi:app", "--bind", "unix:"], ["--bind: 'unix:'"]),
        (["web_asgi:app", "--user", "no-such-user"], ["--user: there is no user 'no-such-user'"]),
        (["web_asgi:app", "--group", "no-such"], ["--group: there is no group 'no-such'"]),
        (["web_asgi:app", "--socket-user", "no-such", "-b", "unix:/x"], ["--socket-user: there"]),
        (["web_asgi:app", "--chdir", "/no/such"], ["--chdir: there is no folder '/no/such'"]),
        (["web_asgi:app", "--env", "COLOUR"], ["--env: 'COLOUR' sets no variable", "NAME=VALUE"]),
        (["web_asgi:app", "--env-file", "/no/such"], ["--env-file: cannot read /no/such"]),
        (["web_asgi:app", "--nice", "20"], ["--nice: 20 is not a priority; give -20 to 19"]),
        (["web_asgi:app", "--umask", "8"], ["--umask: '8'", "octal"]),
        (["web_asgi:app", "--rlimit-nofile", str(2**62)], ["--rlimit-nofile: ", "hard limit"]),
        (["web_asgi:app", "--rlimit-core", "big"], ["--rlimit-core: 'big' is not a size"]),
        (["web_asgi:app", "--cpu-affinity", "x"], ["--cpu-affinity: 'x' is not a list of CPUs"]),
        (["web_asgi:app", "--error-log", "/no/such/log"], ["--error-log: cannot open"]),
        (["web_asgi:app", "--access-log=/no/such/log"], ["--access-log: cannot open"]),
        (["web_asgi:app", "--log-format", "xml"], ["--log-format: 'xml' is not one of text, json"]),
        (["web_asgi:app", "--hooks", "no_such_hooks"], ["--hooks: no module named"]),
        (["web_asgi:app", "--reload", "--reload-dir", "/no/such"], ["--reload-dir: there is no"]),
        (["--preload", "program.py"], ["--preload: a script cannot be preloaded"]),
        (["web_asgi:app", "--config", "/no/such.toml"], ["--config: cannot read /no/such.toml"]),
        (["web_asgi:app", "--bind", "fd://x"], ["--bind: 'fd://x'"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_option_is_one_line(capsys, arguments, words):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == ExitCode.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ngxloop-serve: ")
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("app", "options", "code", "words"),
    [
        ("nothing:app", [], ExitCode.NO_MODULE, ["'nothing'", "--app-dir"]),
        ("plain.sub:app", [], ExitCode.NO_MODULE, ["'plain.sub'"]),
        ("plain.py:Echo", [], ExitCode.NO_MODULE, ["; give plain:Echo"]),
        ("web_asgi:nothing", [], ExitCode.NO_ATTRIBUTE, ["'nothing'", "app"]),
        ("web_asgi:app.nothing", [], ExitCode.NO_ATTRIBUTE, ["'nothing'"]),
        ("plain:number", [], ExitCode.NOT_AN_APPLICATION, ["an int", "ASGI"]),
        ("plain:wsgi", [], ExitCode.NOT_AN_APPLICATION, ["WSGI"]),
        ("plain:NeedsArgument", [], ExitCode.NOT_AN_APPLICATION, ["NeedsArgument", "--factory"]),
        ("web_asgi:make_app", [], ExitCode.NOT_AN_APPLICATION, ["--factory"]),
        ("web_asgi:Instance", [], ExitCode.NOT_AN_APPLICATION, ["instance"]),
        ("plain:number", ["--factory"], ExitCode.NOT_AN_APPLICATION, ["cannot be called"]),
        ("plain:Echo", ["--interface", "aiohttp"], ExitCode.NOT_AN_APPLICATION, ["aiohttp"]),
        (
            "web_asgi:app",
            ["--interface", "streams"],
            ExitCode.NOT_AN_APPLICATION,
            ["(reader, writer)"],
        ),
        ("web_asgi:app", ["--interface", "protocol"], ExitCode.NOT_AN_APPLICATION, ["protocol"]),
    ],
)
def test_what_is_no_application_is_one_line(app, options, code, words):
    result = run(app, *options, *FREE, "--workers", "2", "--log-level", "error")
    assert_one_line(result, code, *words)
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import no_such_package\n", ["No module named 'no_such_package'"]),
        ("def app(:\n", ["SyntaxError"]),
        ("1 / 0\n", ["ZeroDivisionError"]),
        ("import sys; sys.exit('no database')\n", ["SystemExit", "no database"]),
    ],
)
def test_import_that_raises_shows_its_traceback_once_and_one_line(tmp_path, source, words):
    (tmp_path / "broken.py").write_text(source)
    result = run("broken:app", "--bind", "127.0.0.1:0", "--app-dir", str(tmp_path), "-w", "3")
    assert_one_line(result, ExitCode.IMPORT_FAILED, "importing broken failed", *words)
    assert result.stderr.count('broken.py", line') == 1
    assert "ngxloop/serving" not in result.stderr


def test_factory_that_raises_shows_its_traceback(tmp_path):
    (tmp_path / "broken.py").write_text("def make():\n    raise OSError('no database')\n")
    result = run("broken:make", "--factory", "-b", "127.0.0.1:0", "--app-dir", str(tmp_path))
    assert_one_line(result, ExitCode.START_FAILED, "broken:make", "OSError: no database")
    assert "raise OSError" in result.stderr


def test_factory_that_needs_arguments_is_one_line():
    result = run("plain:needs_one_argument", "--factory", *FREE)
    assert_one_line(result, ExitCode.START_FAILED, "needs_one_argument", "TypeError")


@pytest.mark.parametrize("app", ["web_asgi:refuse", "web_aiohttp:broken"])
def test_start_up_that_fails_is_one_line_after_what_the_application_says(app):
    result = run(app, *FREE)
    assert_one_line(result, ExitCode.START_FAILED, app)
    assert "no database" in result.stderr


def test_start_up_that_never_ends_is_given_up():
    result = run("web_asgi:start_forever", *FREE, "--start-timeout", "0.5")
    assert_one_line(result, ExitCode.START_TIMEOUT, "not ready after 0.5 s", "--start-timeout")


def test_worker_that_dies_while_starting_ends_the_master(tmp_path):
    (tmp_path / "broken.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    result = run("broken:app", "--bind", "127.0.0.1:0", "--app-dir", str(tmp_path))
    assert_one_line(result, ExitCode.START_TIMEOUT, "was killed by SIGKILL while starting")


def test_missing_uvicorn_is_one_line(tmp_path):
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError('hidden', name='uvicorn')\n")
    (tmp_path / "web.py").write_text("async def app(scope, receive, send): ...\n")
    options = ["--interface", "asgi-uvicorn", "--app-dir", str(tmp_path)]
    result = run("web:app", "--bind", "127.0.0.1:0", *options)
    assert_one_line(result, ExitCode.MISSING_PACKAGE, "uvicorn", "pip install 'ngxloop[serve]'")


def test_module_that_hides_one_of_the_server_is_named_and_no_package_is_accused(tmp_path):
    (tmp_path / "h11.py").write_text("import no_such_module\n")
    (tmp_path / "httptools.py").write_text("raise ImportError\n")
    (tmp_path / "web.py").write_text("async def app(scope, receive, send): ...\n")
    options = ["--interface", "asgi-uvicorn", "--app-dir", str(tmp_path)]
    result = run("web:app", "--bind", "127.0.0.1:0", *options)
    words = ("cannot be imported: No module named 'no_such_module'", "a module of the application")
    assert_one_line(result, ExitCode.IMPORT_FAILED, *words)
    assert "h11.py" in result.stderr


@pytest.mark.parametrize("option", ["--print-config", "check"])
def test_reader_of_the_output_may_leave(option):
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    words = [option, "web_asgi:app"] if option == "check" else ["web_asgi:app", option]
    line = command(*words, "--app-dir", str(APPS))
    result = subprocess.run(line, stdout=write_fd, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(write_fd)
    assert (result.returncode, result.stderr) == (0, b"")


def test_output_that_cannot_be_written_is_one_line():
    with open("/dev/full", "w") as full:
        line = command("web_asgi:app", "--print-config")
        result = subprocess.run(
            line, stdout=full, stderr=subprocess.PIPE, check=False, timeout=60, text=True
        )
    assert result.returncode == ExitCode.NO_RESOURCES
    problem = "cannot write to standard output: No space left on device"
    assert result.stderr == f"ngxloop-serve: {problem}\n"


@pytest.mark.parametrize("option", ["--pidfile", "--control-socket"])
def test_file_that_cannot_be_made_is_one_line(option):
    result = run("web_asgi:app", *FREE, option, "/proc/ngxloop")
    code = ExitCode.USAGE if option == "--pidfile" else ExitCode.BAD_ADDRESS
    assert_one_line(result, code, "/proc/ngxloop")


def test_address_in_use_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        result = run("web_asgi:app", "--bind", address, "--app-dir", str(APPS))
    assert_one_line(result, ExitCode.ADDRESS_IN_USE, address, "stop the process")


def test_unix_socket_in_use_is_one_line(tmp_path):
    path = tmp_path / "app.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        result = run("web_asgi:app", "--bind", f"unix:{path}", "--app-dir", str(APPS))
    assert_one_line(result, ExitCode.ADDRESS_IN_USE, str(path))
    assert path.exists()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.0.2.1:8000", ["192.0.2.1:8000"]),
        ("no-such-host.invalid:8000", ["no-such-host.invalid:8000"]),
        ("unix:/no/such/folder/app.sock", ["/no/such/folder/app.sock", "create the folder"]),
        ("unix:/" + 120 * "x", ["too long", "choose a shorter path"]),
        ("fd://99", ["fd://99", "Bad file descriptor", "pass a listening socket"]),
        ("fd://3", ["fd://3", "pass a listening socket"]),
        ("fd://0", ["fd://0", "not a socket"]),
        ("..:80", ["..:80", "is not a host name"]),
    ],
)
def test_address_that_cannot_be_bound_is_one_line(address, words):
    with open(os.devnull) as nothing:
        result = run("web_asgi:app", "-b", address, "--app-dir", str(APPS), stdin=nothing)
    assert_one_line(result, ExitCode.BAD_ADDRESS, *words)


def test_file_in_the_way_of_a_unix_socket_is_one_line_and_stays(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    result = run("web_asgi:app", "--bind", f"unix:{path}", "--app-dir", str(APPS))
    assert_one_line(result, ExitCode.BAD_ADDRESS, "not a socket")
    assert path.read_text() == "mine"


def test_too_few_descriptors_for_the_workers_is_one_line():
    serve = command("web_asgi:app", "--workers", "20", *FREE)
    result = run_to_end(["sh", "-c", 'ulimit -n 60 && exec "$@"', "sh", *serve])
    assert_one_line(result, ExitCode.NO_RESOURCES, "cannot prepare 20 workers", "ulimit -n")
