"""Every kind of program that python runs is run by a worker, and finds what it would find there."""

import json
import os
import sys
import zipfile

import pytest

from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import APPS, command, connect, http_get, receive_line, run_to_end
from tests.support.addresses import free_address

# Answers each connection with what it has found when it began.
PROGRAM = """\
#!/usr/bin/env python
import asyncio, json, sys
from neighbour import NAME

FOUND = [__name__, sys.argv, sys.orig_argv[1:], sys.path[0], NAME]

async def answer(reader, writer):
    writer.write(json.dumps(FOUND).encode() + b"\\n")
    writer.close()

async def main():
    server = await asyncio.start_server(answer, *sys.argv[1:3])
    await server.serve_forever()

if __name__ == "__main__":
    asyncio.run(main())
"""
NEIGHBOUR = 'NAME = "neighbour"\n'


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A working folder with the program in every form."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "bin").mkdir()
    for name in ("tool", "shop/__main__.py", "shop/serve.py", "folder/__main__.py", "bin/shopd"):
        (tmp_path / name).write_text(PROGRAM)
    (tmp_path / "bin" / "shopd").chmod(0o755)
    for folder in (".", "folder", "bin"):
        (tmp_path / folder / "neighbour.py").write_text(NEIGHBOUR)
    with zipfile.ZipFile(tmp_path / "shop.pyz", "w") as file:
        file.writestr("__main__.py", PROGRAM)
        file.writestr("neighbour.py", NEIGHBOUR)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    return tmp_path


FORMS = {
    "file without .py": (["tool"], "tool", ""),
    "path": (["./tool"], "./tool", ""),
    "folder": (["folder"], "folder", "folder"),
    "zip file": (["shop.pyz"], "shop.pyz", "shop.pyz"),
    "package": (["-m", "shop"], "{}/shop/__main__.py", ""),
    "module": (["-m", "shop.serve"], "{}/shop/serve.py", ""),
    "command": (["shopd"], "{}/bin/shopd", "{}/bin"),
}
forms = pytest.mark.parametrize(("words", "place", "first"), FORMS.values(), ids=FORMS)


@forms
def test_program_runs_in_the_worker_as_by_python(serve, project, words, place, first):
    host, port = free_address()
    arguments = [host, str(port), "--verbose", "-m"]
    server = serve("-w", "2", *words, *arguments, program=True).serving()
    name, argv, orig_argv, path, neighbour = ask((host, port))
    place = place.format(project)
    assert (name, neighbour) == ("__main__", "neighbour")
    assert argv == [place, *arguments]
    assert orig_argv == [*(words if words[0] == "-m" else [place]), *arguments]
    assert os.path.abspath(path) == os.path.abspath(first.format(project))
    assert f"serving {' '.join(words)} (script)" in server.log
    assert server.end() == 0


@forms
def test_program_is_checked_without_being_run(project, words, place, first):
    result = run_to_end(command("check", *words))
    assert (result.returncode, result.stderr) == (ExitCode.OK, "")
    assert result.stdout.startswith(f"ok: {' '.join(words)} is served as script")


def test_program_may_stand_in_the_file_and_in_the_environment(serve, project, monkeypatch):
    host, port = free_address()
    (project / "ngxloop.toml").write_text(f'app = "-m shop"\narguments = ["{host}", "{port}"]\n')
    serve(None, program=True).serving()
    assert ask((host, port))[1] == [f"{project}/shop/__main__.py", host, str(port)]


def test_module_is_looked_for_in_the_folder_of_the_application(serve, project, monkeypatch):
    monkeypatch.chdir("/")
    host, port = free_address()
    options = ["--app-dir", str(project), "-m", "shop"]
    serve(*options, host, str(port), program=True).serving()
    assert ask((host, port))[3] == str(project)


@pytest.mark.parametrize("words", [["-m", "uvicorn"], ["uvicorn"]], ids=["module", "command"])
def test_server_with_a_command_line_of_its_own_is_a_program(serve, monkeypatch, words):
    pytest.importorskip("uvicorn")
    monkeypatch.setenv("PATH", f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}")
    host, port = free_address()
    arguments = ["web_asgi:app", "--app-dir", str(APPS), "--host", host, "--port", str(port)]
    server = serve("-w", "2", *words, *arguments, program=True).serving()
    status, pid = http_get((host, port))
    assert (status, int(pid) in server.worker_pids(1)) == (200, True)
    assert server.end() == 0


@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["nothing"], ExitCode.USAGE, "give MODULE:NAME, for example nothing:app"),
        (["./nothing"], ExitCode.NO_MODULE, "there is no script './nothing' in"),
        (["bin"], ExitCode.NO_MODULE, "the folder 'bin' has no __main__.py"),
        (["-m", "nothing"], ExitCode.NO_MODULE, "there is no module 'nothing', or it is a package"),
        (["-m", "bin"], ExitCode.NO_MODULE, "there is no module 'bin', or it is a package"),
        (["-m"], ExitCode.USAGE, "-m: expected the name of a module"),
        (["-m", "json"], ExitCode.NO_MODULE, "'json', or it is a package without __main__.py"),
        (["-m", "broken"], ExitCode.START_FAILED, "No module named 'missing'"),
        (["broken/__init__.py"], ExitCode.START_FAILED, "No module named 'missing'"),
        (["defines.py"], ExitCode.START_FAILED, "to serve what it defines, give defines:app"),
        (["bin/defines.py"], ExitCode.START_FAILED, "give defines:app --app-dir bin"),
        (["shop/relative.py"], ExitCode.START_FAILED, "give -m shop.relative"),
        (["relative:app", "--app-dir", "shop"], ExitCode.IMPORT_FAILED, "give shop.relative:app"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_program_that_cannot_be_run_is_one_line_with_advice(project, words, code, problem):
    (project / "broken").mkdir()
    (project / "broken" / "__init__.py").write_text("import missing\n")
    for name in ("defines.py", "bin/defines.py"):
        (project / name).write_text("async def app(scope, receive, send): ...\n")
    (project / "shop" / "relative.py").write_text("from . import serve\n")
    result = run_to_end(command(*words))
    assert result.returncode == code, result.stderr
    (line,) = [one for one in result.stderr.splitlines() if one.startswith("ngxloop-serve: ")]
    assert problem in line


def test_package_is_the_command(project):
    result = run_to_end([sys.executable, "-m", "ngxloop", "check", "tool"])
    assert (result.returncode, result.stdout[:8]) == (ExitCode.OK, "ok: tool")


def ask(address):
    with connect(address) as sock:
        return json.loads(receive_line(sock))
