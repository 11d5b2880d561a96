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


def can_trace() -> bool:
    """Tell whether there is strace, and the system lets it trace its own child."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "true"], capture_output=True, check=False).returncode == 0


needs_strace = pytest.mark.skipif(
    not can_trace(), reason="strace is not installed or may not trace"
)


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
