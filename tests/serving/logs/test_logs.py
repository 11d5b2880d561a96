"""Where the launcher's lines and the log of requests go, and what they say."""

import json
import os
import pwd
import re
import signal
import sys

import pytest

from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import APPS, command, http_get, run_to_end
from tests.support.waiting import wait_until_blocking

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
CONFIGURES_LOGGING = """
import logging.config
from {module} import app as inner
def configure():
    logging.config.dictConfig({{"version": 1, "root": {{"level": "ERROR"}}, "loggers": {loggers}}})
{when}
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        configure()
    await inner(scope, receive, send)
"""


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def refused(*arguments, app="web_asgi:app", folder=APPS):
    result = run_to_end(command(app, "--app-dir", str(folder), "--bind", "127.0.0.1:0", *arguments))
    return result.returncode, result.stderr


# The launcher's lines ----------------------------------------------------------------------------


def test_json_lines_carry_slot_generation_and_process(serve):
    server = serve("plain:Echo", "--log-format", "json", "--log-level", "debug", "-w", "2")
    server.logged('"serving ')
    assert server.end() == 0
    lines = lines_of(server.log)
    masters = [line for line in lines if line["role"] == "master"]
    workers = [line for line in lines if line["role"] == "worker"]
    assert {line["pid"] for line in masters} == {server.pid}
    assert {(line["slot"], line["generation"]) for line in workers} == {(0, 1), (1, 1)}
    assert len({line["pid"] for line in workers} - {server.pid}) == 2
    ready = [line for line in masters if " ready " in line["message"]]
    assert {(line["slot"], line["generation"]) for line in ready} == {(0, 1), (1, 1)}
    assert {line["worker_pid"] for line in ready} == {line["pid"] for line in workers}
    assert all(re.fullmatch(r"[-\d]+T[:\d]+\.\d{3}[+-]\d\d:\d\d", line["time"]) for line in lines)


@pytest.mark.complaint(22)
def test_text_lines_carry_worker_and_process(serve):
    server = serve("plain:Echo", "--log-level", "debug", "-w", "2")
    server.serving()
    assert server.end() == 0
    for line in server.log.splitlines():
        assert re.match(r"[-\d]+ [:\d]+\.\d{3} [A-Z]+ +(master|worker 1\.[01])\[\d+\] ", line), line


def test_traceback_of_the_application_is_in_the_object(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    code, text = refused("--log-format=json", app="broken:app", folder=tmp_path)
    assert code == ExitCode.IMPORT_FAILED
    last = lines_of(text)[-1]
    assert last["message"].startswith("ngxloop-serve: importing broken failed: ZeroDivisionError")
    assert "1 / 0" in last["traceback"]
    assert last["level"] == "critical"


def test_error_log_gets_all_that_goes_to_standard_error(serve, tmp_path):
    file = tmp_path / "error.log"
    server = serve("web_asgi:app", "--error-log", str(file))
    wait_until_blocking(lambda: file.exists() and "serving " in file.read_text(), "a start")
    assert server.end() == 0
    assert server.log == ""
    text = file.read_text()
    assert "ended" in text
    assert "lifespan ended\n" in text  # the application's own words


def test_start_that_fails_is_told_to_the_terminal_too(tmp_path):
    file = tmp_path / "error.log"
    code, text = refused("--error-log", str(file), "--bind", "192.0.2.1:1", "--workers", "2")
    assert code == ExitCode.BAD_ADDRESS
    assert "ngxloop-serve: cannot bind 192.0.2.1:1" in text
    assert text in file.read_text()


@pytest.mark.parametrize("option", ["error-log", "access-log"])
def test_log_file_that_cannot_be_opened_is_one_line(tmp_path, option):
    code, text = refused(f"--{option}={tmp_path}/no/such.log")
    assert code == ExitCode.USAGE
    (line,) = text.splitlines()
    assert line.startswith(f"ngxloop-serve: --{option}: cannot open '{tmp_path}/no/such.log': No s")


# The log of requests -----------------------------------------------------------------------------


@pytest.mark.parametrize("app", ["web_asgi:app", "web_aiohttp:app"])
def test_access_log_is_a_file(serve, tmp_path, app):
    file = tmp_path / "access.log"
    server = serve(app, f"--access-log={file}", "-w", "2").serving()
    for _ in range(4):
        http_get(server.address, "/")
    assert server.end() == 0
    assert file.read_text().count("GET / HTTP/1.1") == 4


@pytest.mark.parametrize(
    ("app", "form", "expected"),
    [
        ("web_asgi:app", "%(request_line)s!%(status_code)s", "GET / HTTP/1.1!200 OK\n"),
        ("web_aiohttp:app", "%r!%s", "GET / HTTP/1.1!200\n"),
    ],
)
def test_format_of_the_access_log_is_that_of_the_server(serve, tmp_path, app, form, expected):
    file = tmp_path / "access.log"
    server = serve(app, f"--access-log={file}", "--access-log-format", form).serving()
    http_get(server.address, "/")
    assert server.end() == 0
    assert file.read_text() == expected


def test_access_log_may_be_json_too(serve, tmp_path):
    file = tmp_path / "access.log"
    server = serve("web_asgi:app", f"--access-log={file}", "--log-format", "json")
    server.logged('"serving ')
    address = re.search(r"listening on ([\d.]+):(\d+),", server.log)
    http_get((address[1], int(address[2])), "/")
    assert server.end() == 0
    (line,) = lines_of(file.read_text())
    assert (line["role"], line["slot"], line["generation"]) == ("worker", 0, 1)
    assert "GET / HTTP/1.1" in line["message"]


def test_format_that_the_server_does_not_understand_is_one_line():
    code, text = refused("--access-log", "--access-log-format", "no field")
    assert code == ExitCode.USAGE
    assert "ngxloop-serve: --access-log-format: 'no field'" in text
    assert "Traceback" not in text


# An application that configures logging ----------------------------------------------------------


@pytest.mark.complaint(22)
@pytest.mark.parametrize("when", ["configure()", ""], ids=["imported", "started"])
@pytest.mark.parametrize("loggers", [{}, {"uvicorn.access": {"level": "ERROR", "handlers": []}}])
def test_application_that_configures_logging_silences_neither_log(serve, tmp_path, when, loggers):
    text = CONFIGURES_LOGGING.format(module="web_asgi", loggers=loggers, when=when)
    (tmp_path / "configuring.py").write_text(f"import sys\nsys.path.append({str(APPS)!r})\n{text}")
    file = tmp_path / "access.log"
    server = serve(
        "configuring:app",
        *("--app-dir", str(tmp_path), f"--access-log={file}", "--log-level", "debug"),
    )
    server.serving()
    http_get(server.address, "/")
    assert server.end() == 0
    assert file.read_text().count("GET / HTTP/1.1") == 1
    assert re.search(r"worker 1\.0\[\d+\] draining", server.log)


def test_requests_that_the_application_logs_itself_are_not_written_twice(serve, tmp_path):
    loggers = {"uvicorn.access": {"level": "INFO", "handlers": ["own"]}}
    text = CONFIGURES_LOGGING.format(module="web_asgi", loggers=loggers, when="configure()")
    handlers = '"handlers": {"own": {"class": "logging.FileHandler", "filename": "own.log"}}, '
    text = text.replace('"root"', handlers + '"root"')
    (tmp_path / "configuring.py").write_text(f"import sys\nsys.path.append({str(APPS)!r})\n{text}")
    output = tmp_path / "output"
    with output.open("w") as stdout:
        server = serve(
            "configuring:app",
            *("--chdir", str(tmp_path), "--app-dir", ".", "--access-log"),
            *("--interface", "asgi-uvicorn"),  # the engine writes to no logger
            stdout=stdout.fileno(),
        )
        server.serving()
        http_get(server.address, "/")
        assert server.end() == 0
    assert output.read_text() == ""
    assert (tmp_path / "own.log").read_text().count("GET / HTTP/1.1") == 1


# Opened again ------------------------------------------------------------------------------------


@pytest.mark.complaint(22)
def test_logs_are_opened_again_by_path(serve, tmp_path):
    error, access = tmp_path / "error.log", tmp_path / "access.log"
    server = serve("web_asgi:app", f"--error-log={error}", f"--access-log={access}", "-w", "2")
    wait_until_blocking(lambda: error.exists() and "serving " in error.read_text(), "a start")
    host, port = re.search(r"listening on ([\d.]+):(\d+),", error.read_text()).groups()
    error.rename(tmp_path / "error.old")
    access.rename(tmp_path / "access.old")
    server.send(signal.SIGUSR1)
    log_files = [
        f"/proc/{pid}/fd/2" for pid in (server.pid, *worker_pids(error.with_suffix(".old")))
    ]
    wait_until_blocking(
        lambda: all(os.readlink(one) == str(error) for one in log_files), "new files everywhere"
    )
    http_get((host, int(port)), "/")
    assert server.end() == 0
    assert "ended" in error.read_text()
    assert access.read_text().count("GET / HTTP/1.1") == 1
    assert (tmp_path / "access.old").read_text() == ""


@needs_root
def test_reopened_logs_belong_to_the_user_of_the_workers(serve_as):
    error = serve_as.folder / "error.log"
    server = serve_as("nobody", "process_state:State", f"--error-log={error}")
    wait_until_blocking(lambda: error.exists() and "serving " in error.read_text(), "a start")
    assert error.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    error.rename(error.with_suffix(".old"))
    server.send(signal.SIGUSR1)
    (worker,) = worker_pids(error.with_suffix(".old"))
    wait_until_blocking(lambda: os.readlink(f"/proc/{worker}/fd/2") == str(error), "a new file")
    assert error.stat().st_uid == pwd.getpwnam("nobody").pw_uid
    assert server.end() == 0


def worker_pids(log):
    return [int(pid) for pid in re.findall(r"ready \(process (\d+)\)", log.read_text())]


# In a program that runs a Master -----------------------------------------------------------------


def test_handler_of_the_embedding_program_is_the_only_one():
    program = (
        "import logging, sys\n"
        "logging.getLogger('ngxloop.serve').addHandler(logging.StreamHandler(sys.stdout))\n"
        "from ngxloop.serving.config.config import Config\n"
        "from ngxloop.serving.logs.logs import log, set_up_logs\n"
        "set_up_logs(Config(app='a:b'))\n"
        "log.warning('seen')\n"
    )
    result = run_to_end([sys.executable, "-c", program])
    assert (result.stdout, result.stderr) == ("seen\n", "")
