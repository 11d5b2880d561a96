"""Python programs in processes of their own, for what must not happen in pytest's.

They run in development mode: memory is checked by the debug allocator, warnings are errors, and a
crash shows where Python code stood. What debug mode says of slow callbacks counts for nothing: on a
busy machine everything is slow.
"""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Seconds a program may take. Ample: it is reached only by a test that fails anyway.
DEADLINE = 50.0

SLOW_CALLBACK = re.compile(r"^Executing .* took [0-9.]+ seconds\n", re.MULTILINE)


def run_program(source: str, **environment: str) -> str:
    """Run a program to its end, which must be a success without a word on stderr.

    Returns:
        What it printed.
    """
    program = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(source)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    errors = SLOW_CALLBACK.sub("", program.stderr)
    assert (program.returncode, errors) == (0, ""), errors + program.stdout
    return program.stdout
