"""An application is found by its name and recognised by its shape; what is none is refused."""

import asyncio
import functools
import sys

import pytest

from ngxloop.serving.base.application import call_factory, kind_of, load_object, takes, user_errors
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.worker.interface import choose_adapter
from tests.serving.apps import plain, web_aiohttp, web_asgi


@pytest.fixture(autouse=True)
def path_and_modules_as_before():
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        if not name.startswith(("ngxloop.", "uvicorn", "httptools", "websockets")):
            del sys.modules[name]


def test_object_is_found_in_a_module_of_the_folder(tmp_path):
    (tmp_path / "folder_app.py").write_text("class Site:\n    app = 42\n")
    assert load_object("folder_app:Site.app", str(tmp_path)) == 42


def test_object_is_found_in_a_package(tmp_path):
    (tmp_path / "folder_shop").mkdir()
    (tmp_path / "folder_shop" / "web.py").write_text("app = 42\n")
    assert load_object("folder_shop.web:app", str(tmp_path)) == 42


def test_missing_submodule_is_no_such_module(tmp_path):
    (tmp_path / "folder_shop2").mkdir()
    with pytest.raises(StartError, match=r"'folder_shop2\.web'") as caught:
        load_object("folder_shop2.web:app", str(tmp_path))
    assert caught.value.code == ExitCode.NO_MODULE
    assert caught.value.traceback == "" or "Traceback" not in caught.value.traceback


def test_missing_import_of_the_module_is_a_failed_import(tmp_path):
    (tmp_path / "folder_app2.py").write_text("import folder_missing\n")
    with pytest.raises(StartError, match="importing folder_app2 failed") as caught:
        load_object("folder_app2:app", str(tmp_path))
    assert caught.value.code == ExitCode.IMPORT_FAILED
    assert "import folder_missing" in caught.value.traceback


def test_missing_attribute_names_what_there_is(tmp_path):
    (tmp_path / "folder_app3.py").write_text(
        "from os import path\nfrom typing import Callable\nFactory = Callable[[], int]\n"
        "class Site: ...\nsite = Site()\n_secret = Site\ndef main(): ...\n"
    )
    with pytest.raises(StartError, match=r"it has Site, main$"):
        load_object("folder_app3:ap", str(tmp_path))


@pytest.mark.parametrize(
    ("application", "name"),
    [
        (web_asgi.app, "asgi"),
        (web_asgi.instance, "asgi"),
        (functools.partial(web_asgi.app), "asgi"),
        (lambda scope, receive, send: None, "asgi"),
        (plain.Echo, "protocol"),
        (plain.BufferedEcho, "protocol"),
        (plain.echo, "streams"),
        (functools.partial(plain.echo), "streams"),
        (web_aiohttp.app, "aiohttp"),
    ],
)
def test_application_is_recognised(application, name):
    assert choose_adapter(application, "auto", "a:b").name == name


@pytest.mark.parametrize(
    ("application", "advice"),
    [
        (42, "give an aiohttp.web.Application"),
        (plain, "give an aiohttp.web.Application"),
        (plain.wsgi, "WSGI"),
        (plain.NeedsArgument, "needs arguments: use --factory"),
        (web_asgi.Instance, "give an instance"),
        (web_asgi.make_app, "add --factory"),
        (asyncio.Lock(), "give an aiohttp.web.Application"),
    ],
)
def test_what_is_no_application_is_refused_with_advice(application, advice):
    with pytest.raises(StartError, match=advice) as caught:
        choose_adapter(application, "auto", "a:b")
    assert caught.value.code == ExitCode.NOT_AN_APPLICATION
    assert caught.value.line.startswith("a:b is ")


async def test_factory_is_called_in_the_loop():
    async def make():
        return asyncio.get_running_loop()

    assert await call_factory(make, "a:b") is asyncio.get_running_loop()
    assert await call_factory(asyncio.get_running_loop, "a:b") is asyncio.get_running_loop()


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (42, "an int"),
        ({}, "a dict"),
        (plain, f"the module {plain.__name__}"),
        (plain.Echo, "the class Echo"),
        (plain.echo, "an async function"),
        (plain.wsgi, "a function"),
    ],
)
def test_kind_is_what_a_user_would_call_it(found, kind):
    assert kind_of(found) == kind


@pytest.mark.parametrize(
    ("function", "counts"),
    [
        (lambda: 0, {0}),
        (lambda a, b: 0, {2}),
        (lambda a, b=1: 0, {1, 2}),
        (lambda *a: 0, {0, 1, 2, 3}),
        (lambda a, *, b: 0, set()),
        (42, set()),
    ],
)
def test_takes_counts_positional_arguments(function, counts):
    assert {count for count in range(4) if takes(function, count)} == counts


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (OSError("two\nlines"), "OSError: two"),
        (KeyError(), "KeyError"),
        (SystemExit("no database"), "SystemExit: no database"),
    ],
)
def test_user_error_is_one_line(error, shown):
    with pytest.raises(StartError) as caught, user_errors(ExitCode.START_FAILED, "it raised {}"):
        raise error
    assert caught.value.line == f"it raised {shown}"


@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_what_is_no_error_of_the_user_passes(error):
    with pytest.raises(error), user_errors(ExitCode.START_FAILED, "it raised {}"):
        raise error
