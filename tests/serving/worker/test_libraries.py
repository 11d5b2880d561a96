"""The server library is imported in the master; a worker never notices, but starts sooner."""

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
import uvicorn

from ngxloop.serving.base.errors import ExitCode
from tests.serving.support import http_get, wait_gone

ASGI = """
import uvicorn
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": uvicorn.__version__.encode()})
"""
AIOHTTP = """
import calendar
from aiohttp import helpers, web
async def tell(request):
    return web.Response(text=f"{calendar.__file__} {helpers.NO_EXTENSIONS}")
app = web.Application()
app.router.add_get("/", tell)
"""


@pytest.fixture
def folder(tmp_path):
    """Where the application's modules are."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "tell_asgi.py").write_text(ASGI)
    (tmp_path / "app" / "tell_aiohttp.py").write_text(AIOHTTP)
    return tmp_path / "app"


@pytest.fixture
def own_uvicorn(tmp_path, monkeypatch):
    """A uvicorn that the master and its workers find before the installed one; returns its code."""
    code = tmp_path / "libraries" / "uvicorn"
    shutil.copytree(Path(uvicorn.__file__).parent, code)
    monkeypatch.setenv("PYTHONPATH", str(code.parent), prepend=os.pathsep)
    return code


def answer(server):
    status, body = http_get(server.address)
    assert status == 200
    return body.decode()


def has_loaded(pid, name):
    return name in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize(
    ("app", "options", "library"),
    [
        ("web_asgi", [], "ngxloop/http"),
        ("web_asgi", ["--interface", "asgi-uvicorn"], "httptools"),
        ("web_aiohttp", [], "aiohttp"),
    ],
)
def test_master_has_the_library_of_the_interface_only(serve, app, options, library):
    server = serve(f"{app}:app", *options).serving()
    server.caught_up()
    assert has_loaded(server.pid, f"/{library}/")
    for other in {"httptools", "aiohttp"} - {library}:
        assert not has_loaded(server.pid, f"/{other}/")


def test_master_of_other_applications_has_none(serve):
    server = serve("plain:Echo").serving()
    server.caught_up()
    assert not has_loaded(server.pid, "/ngxloop/http/")
    assert not has_loaded(server.pid, "/httptools/")
    assert not has_loaded(server.pid, "/aiohttp/")


@pytest.mark.parametrize("options", [[], ["--interface", "asgi-uvicorn"], ["--preload"]])
def test_library_that_was_installed_anew_is_taken_by_a_reload(serve, folder, own_uvicorn, options):
    server = serve("tell_asgi:app", "--app-dir", str(folder), *options).serving()
    server.caught_up()
    assert answer(server) == uvicorn.__version__
    with (own_uvicorn / "__init__.py").open("a") as code:
        code.write('__version__ = "next"\n')
    server.send(signal.SIGHUP)
    server.logged("reloaded: generation 2 serves")
    wait_gone(*server.worker_pids(1))
    assert answer(server) == "next"
    assert server.end() == 0


def test_module_of_the_application_is_not_hidden_by_the_librarys(serve, folder):
    (folder / "calendar.py").write_text("def timegm(when):\n    return 0\n")
    options = ["--interface", "aiohttp", "--app-dir", str(folder)]
    server = serve("tell_aiohttp:app", *options).serving()
    assert answer(server) == f"{folder}/calendar.py False"


@pytest.mark.parametrize("variable", ["AIOHTTP_NO_EXTENSIONS=1", "OTHER=1"])
def test_variables_for_a_library_that_is_imported_reach_it(serve, folder, variable):
    options = ["--interface", "aiohttp", "--env", variable, "--app-dir", str(folder)]
    server = serve("tell_aiohttp:app", *options).serving()
    assert answer(server).endswith(str("AIOHTTP" in variable))


def test_exit_functions_of_a_library_run_in_the_workers(serve, folder, own_uvicorn):
    with (own_uvicorn / "__init__.py").open("a") as code:
        code.write("import atexit, os, sys\n")
        code.write("atexit.register(lambda: print('left', os.getpid(), file=sys.stderr))\n")
    options = ["--interface", "asgi-uvicorn", "-w", "2", "--app-dir", str(folder)]
    server = serve("tell_asgi:app", *options).serving()
    assert server.end() == 0
    left = re.findall(r"^left (\d+)$", server.log, re.MULTILINE)
    assert sorted(map(int, left)) == sorted(server.worker_pids(1))


def test_library_that_cannot_be_imported_is_reported_by_the_worker(serve, folder, own_uvicorn):
    (own_uvicorn / "config.py").write_text("raise RuntimeError('half installed')\n")
    server = serve("web_asgi:app", "--interface", "asgi-uvicorn")
    assert server.ended() == ExitCode.INTERNAL
    assert server.log.count("ngxloop-serve: worker 1.0 failed: RuntimeError: half installed") == 1
