"""The modules of the interpreter's own suite pass on ngxloop.

By hand: python -m tests.cpython test_streams [--only TEXT]
"""

import importlib
import os
import pkgutil
import signal
import subprocess
import sys

import pytest

from tests.cpython.exceptions import NOT_RUN
from tests.cpython.many import PROJECT, TIME_LIMIT
from tests.support.waiting import wait_until_blocking


def installed_modules() -> list[str]:
    """Return the modules of the suite; some distributions leave the tests out."""
    try:
        package = importlib.import_module("test.test_asyncio")
    except ImportError:
        return []
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    return sorted(name for name in names if name.startswith("test_"))


MODULES = [name for name in installed_modules() if name not in NOT_RUN]


@pytest.mark.skipif(not MODULES, reason="this interpreter came without test.test_asyncio")
def test_what_is_not_run_is_there_to_be_run():
    assert NOT_RUN.keys() <= set(installed_modules())


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """Run the modules that were chosen, a few at once; give the process and its folder.

    It is a process, so that what it opens while other tests run is not taken for theirs.
    """
    chosen = [item for item in request.session.items if item.module is request.module]
    modules = [item.callspec.params["module"] for item in chosen if hasattr(item, "callspec")]
    folder = tmp_path_factory.mktemp("cpython")
    command = [sys.executable, "-m", "tests.cpython.many", str(folder), *modules]
    process = subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, start_new_session=True
    )
    yield process, folder
    os.killpg(process.pid, signal.SIGKILL)  # modules that were not waited for, too
    process.wait()


@pytest.mark.timeout(2 * TIME_LIMIT)
@pytest.mark.parametrize("module", MODULES)
def test_the_interpreters_own_module_passes_on_ngxloop(runs, module):
    process, folder = runs
    code = folder / f"{module}.code"

    wait_until_blocking(lambda: code.exists() or process.poll() is not None, module, TIME_LIMIT)

    assert code.exists(), "the process that runs the modules has ended"
    assert code.read_text() == "0\n", (folder / f"{module}.txt").read_text()[-6000:]
