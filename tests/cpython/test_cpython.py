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
    "test_eager_task_factory",
    "test_events",
    "test_futures",
    "test_futures2",
    "test_locks",
    "test_queues",
    "test_server",
    "test_sock_lowlevel",
    "test_ssl",
    "test_sslproto",
    "test_staggered",
    "test_streams",
    "test_taskgroups",
    "test_tasks",
    "test_threads",
    "test_timeouts",
    "test_waitfor",
]


def is_installed(module: str) -> bool:
    """Tell whether the interpreter has the module; some distributions leave all tests out."""
    try:
        return importlib.util.find_spec(f"test.test_asyncio.{module}") is not None
    except ImportError:
        return False


@pytest.mark.timeout(TIME_LIMIT + 10)
@pytest.mark.parametrize("module", MODULES)
def test_the_interpreters_own_module_passes_on_ngxloop(module, tmp_path):
    if not is_installed(module):
        pytest.skip(f"this interpreter came without test.test_asyncio.{module}")
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
