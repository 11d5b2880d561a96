"""The public names of the package: run, new_event_loop, EventLoop, and where it cannot work."""

import asyncio
import re
import sys
import tomllib
import weakref
from pathlib import Path

import pytest

import ngxloop
from tests.support.processes import Program

PROJECT = Path(__file__).parents[1]


async def running_loop():
    return asyncio.get_running_loop()


def test_run_returns_the_result_and_closes_its_loop():
    loop = ngxloop.run(running_loop())

    assert type(loop) is ngxloop.EventLoop
    assert loop.is_closed()


def test_run_raises_what_the_coroutine_raises():
    async def main():
        raise LookupError("from main")

    with pytest.raises(LookupError, match="from main"):
        ngxloop.run(main())


def test_run_makes_a_new_loop_every_time():
    assert ngxloop.run(running_loop()) is not ngxloop.run(running_loop())


@pytest.mark.parametrize(("debug", "expected"), [(True, True), (False, False), (None, False)])
def test_run_sets_debug_mode(debug, expected):
    async def main():
        return asyncio.get_running_loop().get_debug()

    assert ngxloop.run(main(), debug=debug) is expected


def test_run_refuses_what_is_no_coroutine():
    with pytest.raises((ValueError, TypeError), match=r"42|coroutine"):
        ngxloop.run(42)


async def test_run_inside_a_running_loop_is_refused():
    coroutine = running_loop()

    with pytest.raises(RuntimeError, match="cannot be called from a running event loop"):
        ngxloop.run(coroutine)
    coroutine.close()


def test_run_cancels_tasks_and_closes_generators_that_are_left():
    ended = []

    async def numbers():
        try:
            yield 1
        finally:
            ended.append("generator")

    async def sleeper():
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("task")

    async def main():
        generator = numbers()
        await anext(generator)
        task = asyncio.create_task(sleeper())
        await asyncio.sleep(0)
        return generator, task

    ngxloop.run(main())

    assert ended == ["task", "generator"]


def test_run_waits_for_functions_in_the_default_executor():
    ended = []

    async def main():
        asyncio.get_running_loop().run_in_executor(None, ended.append, "function")

    ngxloop.run(main())

    assert ended == ["function"]


def test_run_leaves_no_current_loop_behind():
    ngxloop.run(running_loop())

    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_a_loop_is_gone_after_its_run():
    gone = weakref.ref(ngxloop.run(running_loop()))

    assert gone() is None


def test_new_event_loop_returns_a_loop_that_is_not_current():
    loop = ngxloop.new_event_loop()

    assert type(loop) is ngxloop.EventLoop
    assert isinstance(loop, asyncio.BaseEventLoop)
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert loop.run_until_complete(running_loop()) is loop
    loop.close()


def test_event_loop_can_be_subclassed():
    class Loop(ngxloop.EventLoop):
        def __init__(self, name):
            super().__init__()
            self.name = name

    loop = Loop("mine")

    assert loop.name == "mine"
    assert loop.run_until_complete(running_loop()) is loop
    loop.close()


def test_every_public_name_exists():
    assert all(hasattr(ngxloop, name) for name in ngxloop.__all__)
    assert {"EventLoop", "EventLoopPolicy", "Policy", "install", "new_event_loop", "run"} <= set(
        ngxloop.__all__
    )


def test_the_version_is_the_one_of_the_project():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())

    assert re.fullmatch(r"\d+\.\d+\.\d+([a-z]+\d+)?", ngxloop.__version__)
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {
        "attr": "ngxloop.version.__version__"
    }


@pytest.mark.parametrize(
    ("pretend", "named"),
    [
        ("sys.platform = 'darwin'", "CPython on darwin"),
        ("sys.platform = 'win32'", "CPython on win32"),
        ("platform.python_implementation = lambda: 'PyPy'", "PyPy on linux"),
    ],
    ids=["macOS", "Windows", "PyPy"],
)
def test_importing_the_package_elsewhere_gives_one_clear_error(pretend, named):
    program = f"import asyncio, platform, sys\n{pretend}\nimport ngxloop"

    with Program("-c", program) as running:
        code = running.end()

    assert code == 1
    last_line = running.output.strip().splitlines()[-1]
    assert last_line.startswith("ImportError: ngxloop needs Linux and CPython ")
    assert last_line.endswith(f"this is {named}")
    assert "During handling" not in running.output


def test_importing_the_package_imports_neither_the_master_nor_other_packages():
    program = "import sys, ngxloop; print(sorted({name.split('.')[0] for name in sys.modules}))"

    with Program("-c", program) as running:
        assert running.end() == 0

    assert "uvicorn" not in running.output
    assert "aiohttp" not in running.output
    with Program("-c", "import sys, ngxloop; print('ngxloop.prefork' in sys.modules)") as running:
        assert running.end() == 0
    assert running.output == "False\n"


@pytest.mark.skipif(sys.flags.dev_mode, reason="the interpreter shows import times itself")
def test_the_package_can_be_imported_with_warnings_as_errors():
    with Program("-W", "error", "-X", "dev", "-c", "import ngxloop") as running:
        code = running.end()

    assert (code, running.output) == (0, "")
