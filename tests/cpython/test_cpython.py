"""The modules of the interpreter's own suite, run on ngxloop, each in a process of its own.

By hand: python -m tests.cpython test_streams [--only TEXT]
"""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cpython.exceptions import NOT_RUN

PROJECT = Path(__file__).parents[2]

# Seconds that a module may take; the slowest takes about 15 on an idle machine.
TIME_LIMIT = 240


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


@pytest.mark.timeout(TIME_LIMIT + 10)
@pytest.mark.parametrize("module", MODULES)
def test_the_interpreters_own_module_passes_on_ngxloop(module, tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "tests.cpython", module],
        cwd=tmp_path,  # some of these tests write files into the current folder
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )

    assert result.returncode == 0, result.stdout[-6000:]
