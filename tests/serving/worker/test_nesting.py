"""Programs and applications that start themselves again, by the command line they find."""

import json
import sys

import pytest

from ngxloop.serving.base.errors import StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.worker.nesting import VARIABLE, mark_worker, plain_command, refuse_nesting
from tests.support.addresses import free_bind

AGAIN = """\
import json, os, signal, subprocess, sys

if os.environ.get("AGAIN"):
    print(json.dumps([sys.argv, "ngxloop" in sys.modules]))
    sys.exit()
again = subprocess.run(
    sys.orig_argv, env={**os.environ, "AGAIN": "1"}, capture_output=True, text=True
)
found = json.dumps([sys.orig_argv, again.stdout, again.stderr])
print("again:", found, file=sys.stderr, flush=True)
signal.pause()
"""
NESTED = """\
import subprocess, sys

again = subprocess.run(sys.orig_argv, capture_output=True, text=True)
print("again:", again.returncode, again.stderr, file=sys.stderr, flush=True)

async def app(reader, writer):
    writer.close()
"""


def test_script_that_starts_itself_again_runs_plainly(serve, tmp_path):
    path = tmp_path / "again.py"
    path.write_text(AGAIN)
    server = serve("--ready-on", "start", str(path), "--verbose", program=True)
    command, output, errors = json.loads(server.logged(r"again: (.*)\n")[1])
    assert command == [sys.executable, str(path), "--verbose"]
    assert errors == ""
    assert json.loads(output) == [[str(path), "--verbose"], False]


@pytest.mark.parametrize(
    ("ours", "plain"),
    [
        ("python /bin/ngxloop-serve -w 2 s.py", "python s.py x"),
        ("python -m ngxloop.cli s.py", "python s.py x"),
        ("python -Im ngxloop.cli s.py", "python -I s.py x"),
        ("python -P -X dev -Wd -u -mngxloop.cli s.py", "python -P -X dev -Wd -u s.py x"),
        ("python -W error -c code", "python -W error s.py x"),
    ],
)
def test_command_line_has_the_options_of_the_interpreter(ours, plain):
    assert plain_command(ours.split(), ["s.py", "x"]) == plain.split()


def test_application_that_starts_its_own_master_gets_one_clear_error(serve, tmp_path):
    (tmp_path / "nested.py").write_text(NESTED)
    server = serve("nested:app", "--app-dir", str(tmp_path))
    line = server.logged(r"again: (.*)\n")[1]
    assert line.startswith("2 ngxloop-serve: a worker that serves nested:app has started")
    assert "use --reload and --workers" in line
    assert server.serving().end() == 0


def test_master_for_something_else_starts_in_a_worker(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "")
    mark_worker(Config(app="outer.py"))
    mark_worker(Config(app="inner:app", bind=[free_bind()]))
    for app in ("other.py", "outer:app", "inner:other"):
        refuse_nesting(Config(app=app))
    refuse_nesting(Config(app="inner:app", app_dir=str(tmp_path)))
    for app in ("outer.py", "./outer.py", "inner:app"):
        with pytest.raises(StartError):
            refuse_nesting(Config(app=app))
