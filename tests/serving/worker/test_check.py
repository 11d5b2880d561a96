"""ngxloop-serve check: the same refusals as serving, and nothing served."""

import pytest

from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import APPS, command, run_to_end


def check(*arguments):
    return run_to_end(command("check", *arguments))


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["web_asgi:app"], "asgi"),
        (["web_asgi:make_app", "--factory"], "asgi"),
        (["web_asgi:app", "--interface", "asgi-uvicorn"], "asgi-uvicorn"),
        (["plain:Echo", "--workers", "4"], "protocol"),
    ],
)
def test_what_can_be_served_is_ok(arguments, kind):
    result = check(*arguments, "--app-dir", str(APPS), "--bind", "127.0.0.1:1")
    assert result.stdout == f"ok: {arguments[0]} is served as {kind}; its start-up was not run\n"
    assert (result.returncode, result.stderr) == (ExitCode.OK, "")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], ExitCode.USAGE, "required: APP"),
        (["web_asgi:app", "--wokers", "4"], ExitCode.USAGE, "did you mean --workers?"),
        (["web_asgi:app", "--user", "no-such-user"], ExitCode.USAGE, "--user: there is no user"),
        (["nothing:app"], ExitCode.NO_MODULE, "no module named 'nothing'"),
        (["web_asgi:nothing"], ExitCode.NO_ATTRIBUTE, "no attribute 'nothing'"),
        (["plain:number"], ExitCode.NOT_AN_APPLICATION, "an int, not an application"),
    ],
)
def test_what_cannot_be_served_is_one_line_and_its_exit_code(arguments, code, words):
    result = check(*arguments, "--app-dir", str(APPS))
    (line,) = result.stderr.splitlines()
    assert line.startswith("ngxloop-serve: ")
    assert words in line
    assert (result.returncode, result.stdout) == (code, "")


def test_import_that_raises_shows_its_traceback(tmp_path):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    result = check("broken:app", "--app-dir", str(tmp_path))
    assert result.returncode == ExitCode.IMPORT_FAILED
    assert 'broken.py", line 1' in result.stderr


@pytest.mark.parametrize(
    ("source", "seconds", "words"),
    [
        ("import os\nos.kill(os.getpid(), 9)\n", "30", "was killed by SIGKILL"),
        ("import os\nos._exit(3)\n", "30", "exited with code 3"),
        ("import time\ntime.sleep(600)\n", "0.5", "was not loaded after 0.5 s"),
    ],
)
def test_application_that_ends_its_process_or_never_comes_is_one_line(
    tmp_path, source, seconds, words
):
    (tmp_path / "broken.py").write_text(source)
    result = check("broken:app", "--app-dir", str(tmp_path), "--start-timeout", seconds)
    assert result.returncode == ExitCode.START_TIMEOUT
    (line,) = result.stderr.splitlines()
    assert words in line


def test_thread_of_the_application_does_not_keep_the_check(tmp_path):
    text = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
    (tmp_path / "threaded.py").write_text(text + "async def app(scope, receive, send): ...\n")
    result = check("threaded:app", "--app-dir", str(tmp_path))
    assert result.stdout == "ok: threaded:app is served as asgi; its start-up was not run\n"


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("1 / 0\n", ExitCode.OK, "program.py is served as script; it was not run"),
        ("def (:\n", ExitCode.IMPORT_FAILED, "program.py is not a Python program: SyntaxError"),
        (None, ExitCode.NO_MODULE, "there is no script"),
    ],
)
def test_script_is_compiled_but_not_run(tmp_path, source, code, words):
    program = tmp_path / "program.py"
    if source is not None:
        program.write_text(source)
    result = check(str(program))
    assert result.returncode == code
    assert words in result.stdout + result.stderr


def test_application_is_loaded_as_a_worker_would(tmp_path):
    (tmp_path / "here.py").write_text(
        "import os\nassert os.environ['COLOUR'] == 'red'\n"
        "assert os.getcwd() == os.path.dirname(os.path.abspath(__file__))\n"
        "async def app(scope, receive, send): ...\n"
    )
    result = check("here:app", "--chdir", str(tmp_path), "--env", "COLOUR=red")
    assert (result.returncode, result.stderr) == (ExitCode.OK, "")
