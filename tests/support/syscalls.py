"""Which system calls a piece of a program makes, as strace sees them."""

import re
import shutil
import subprocess
import sys
import textwrap
from collections import Counter

import pytest

from tests.support.programs import DEADLINE, ROOT

# What a program calls before and after the piece: nothing else in it does.
MARK = "getppid"

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def calls_between_marks(source: str, *names: str) -> Counter[str]:
    """Run a program, which calls os.getppid() twice; count the named calls in between."""
    command = ["strace", "-f", "-qq", "-e", f"trace={','.join([MARK, *names])}"]
    program = subprocess.run(
        [*command, sys.executable, "-c", textwrap.dedent(source)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    calls = re.findall(r"^(?:\[pid +\d+\] )?(\w+)\(", program.stderr, re.MULTILINE)
    assert calls.count(MARK) == 2, program.stderr
    begin = calls.index(MARK) + 1
    return Counter(calls[begin : calls.index(MARK, begin)])
