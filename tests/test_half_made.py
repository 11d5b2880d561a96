"""No compiled object that is half made, or wrongly used, can crash the interpreter."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

# Seconds; it takes about 5 on an idle machine.
TIME_LIMIT = 120


@pytest.mark.timeout(TIME_LIMIT + 10)
def test_compiled_objects_made_by_any_means_and_misused_never_crash(tmp_path):
    note = tmp_path / "last tried"
    program = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "tests.support.half_made", str(note)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
        check=False,
    )

    last_tried = note.read_text(errors="replace").partition("\n")[0] if note.exists() else "a start"
    assert program.returncode == 0, f"crashed in: {last_tried}\n{program.stderr[-1500:]}"
    assert re.fullmatch(r"\d+ made and misused\n", program.stdout), program.stdout
