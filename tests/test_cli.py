"""ngxloop-serve as a command: arguments to a Config, the help page, the version."""

import itertools
import re

import pytest

from ngxloop import cli
from ngxloop.serving.base.errors import EXIT_MEANINGS, ConfigError, ExitCode
from ngxloop.serving.config.config import OPTIONS, Config
from ngxloop.version import __version__
from tests.serving.support import command, run_to_end

_SCREEN_LINES = 40


def test_application_alone_gives_the_defaults():
    assert cli.parse_arguments(["shop.web:app"]) == Config(app="shop.web:app")


def test_every_option_reaches_the_config():
    given = cli.parse_arguments(
        [
            *("shop.web:make", "--interface", "asgi", "--factory", "--app-dir", "/srv"),
            *("-b", "127.0.0.1:80", "--bind", "unix:/run/a.sock", "--backlog", "100"),
            *("--socket-mode", "660", "-w", "4", "--accept", "mutex", "--graceful-timeout", "5"),
            *("--idle-grace", "0.5", "--start-timeout", "9", "--log-level", "debug"),
            "--access-log",
        ]
    )
    assert given == Config(
        app="shop.web:make",
        interface="asgi",
        factory=True,
        app_dir="/srv",
        bind=["127.0.0.1:80", "unix:/run/a.sock"],
        backlog=100,
        socket_mode=0o660,
        workers=4,
        accept="mutex",
        graceful_timeout=5.0,
        idle_grace=0.5,
        start_timeout=9.0,
        log_level="debug",
        access_log="-",
    )


def test_workers_may_be_auto():
    assert cli.parse_arguments(["a:b", "--workers", "auto"]).workers == "auto"


def test_value_that_cannot_be_converted_reaches_the_check():
    with pytest.raises(ConfigError, match="workers: 'four' is not a number"):
        cli.parse_arguments(["a:b", "--workers", "four"])


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["a:b", "--workers", "0", "--help"]])
def test_help_names_every_option_exit_code_and_signal(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    page = capsys.readouterr().out
    assert caught.value.code == 0
    for option in OPTIONS:
        assert option.is_positional or f"{option.flag}" in page
    for code, meaning in EXIT_MEANINGS.items():
        assert re.search(rf"^  {code.value} +{re.escape(meaning)}$", page, re.MULTILINE)
    assert "HUP" in page
    assert "examples:" in page
    assert max(map(len, page.splitlines())) <= 100


def test_help_fits_screens_and_begins_with_what_most_people_need(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    page = capsys.readouterr().out
    first = page.splitlines()[:_SCREEN_LINES]
    names = [line.split()[0] for line in first if line.startswith("  --")]
    assert names[:3] == ["--bind", "--workers", "--reload"]
    heads = [place for place, line in enumerate(page.splitlines()) if re.match(r"\w.*:$", line)]
    assert max(after - head for head, after in itertools.pairwise(heads)) <= _SCREEN_LINES


def test_every_exit_code_has_a_meaning():
    assert list(EXIT_MEANINGS) == list(ExitCode)


def test_version_is_printed(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"ngxloop {__version__}\n"


def test_module_runs_as_a_program():
    result = run_to_end(command("--version"))
    assert result.stdout == f"ngxloop {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "app", "access_log"),
    [
        ("a:b --access-log", "a:b", "-"),
        ("a:b --access-log -", "a:b", "-"),
        ("a:b --access-log access.log", "a:b", "access.log"),
        ("a:b --access-log access.log --workers 2", "a:b", "access.log"),
        ("a:b --access-log --workers 2", "a:b", "-"),
        ("--access-log a:b", "a:b", "-"),
        ("--access-log - a:b", "a:b", "-"),
        ("--access-log access.log a:b", "a:b", "access.log"),
        ("--access-log ./access a:b", "a:b", "./access"),
        ("--access-log server.py x", "server.py", "-"),
        ("--access-log -m shop x", "-m shop", "-"),
        ("--access-log folder", "folder", "-"),
        ("--workers 2 -m shop --access-log x", "-m shop", None),
    ],
)
def test_access_log_may_be_followed_by_its_file(tmp_path, monkeypatch, arguments, app, access_log):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    config = cli.parse_arguments(arguments.split())
    assert (config.app, config.access_log) == (app, access_log)


def test_error_log_may_be_standard_error(tmp_path):
    log = str(tmp_path / "error.log")
    (tmp_path / "ngxloop.toml").write_text(f'error-log = "{log}"\n')
    file = ["--config", str(tmp_path / "ngxloop.toml")]
    assert cli.parse_arguments(["a:b", *file]).error_log == log
    assert cli.parse_arguments(["a:b", *file, "--error-log", "-"]).error_log is None
