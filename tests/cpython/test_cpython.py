"""The modules of the interpreter's own suite that ngxloop passes, each in a process of its own.

By hand: python -m tests.cpython test_streams [--only TEXT]
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

# Seconds that a module may take; the slowest takes about 15 on an idle machine.
TIME_LIMIT = 120

MODULES = [
    "test_buffered_proto",
    "test_context",
    "test_events",
    "test_futures",
    "test_server",
    "test_streams",
    "test_taskgroups",
    "test_tasks",
    "test_timeouts",
]


def is_installed() -> bool:
    """Tell whether the interpreter came with its tests; some distributions leave them out."""
    try:
        return importlib.util.find_spec("test.test_asyncio") is not None
    except ImportError:
        return False


@pytest.mark.skipif(not is_installed(), reason="this interpreter came without test.test_asyncio")
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
