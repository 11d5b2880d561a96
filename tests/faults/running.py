"""Start the program that tries the faults of one scenario."""

import os
import subprocess
import sys
from typing import NamedTuple

from tests.faults.injection import ROOT, new_board

# Seconds for all combinations of one scenario and one call.
DEADLINE = 110.0

LONG = bool(os.environ.get("FAULTS_LONG"))

# The n-th call is struck for n up to this, or until a run makes fewer calls.
DEPTH = 2000 if LONG else 6


class Outcome(NamedTuple):
    """How the program ended, and what it printed."""

    code: int
    output: str


def explore(scenario: str, *faults: str, loop: str = "ngxloop", depth: int = DEPTH) -> Outcome:
    """Try the faults, CALL[:ERRNO[:NUMBERS]] each, on a scenario in a process of its own."""
    with new_board() as board:
        arguments = [loop, str(depth), scenario, *faults]
        environment = {**os.environ, **board.environment, "PYTHONMALLOC": "debug"}
        command = [sys.executable, "-W", "error", "-X", "faulthandler"]
        try:
            program = subprocess.run(
                [*command, "-m", "tests.faults.exploring", *arguments],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=DEADLINE,
                check=False,
            )
        except subprocess.TimeoutExpired as expired:
            return Outcome(-1, f"{(expired.stdout or b'').decode()}\n    ! not ended in time")
    return Outcome(program.returncode, program.stdout)


def failures(outcome: Outcome) -> str:
    """Return the combinations that failed, each with the command that repeats it."""
    if outcome.code == 0:
        return ""
    lines = outcome.output.splitlines()
    wanted: list[str] = []
    for i, line in enumerate(lines):
        if line.startswith("    !") or (i == len(lines) - 1 and outcome.code not in {0, 1}):
            head = next((x for x in reversed(lines[: i + 1]) if not x.startswith("    ")), line)
            command = "python -m tests.faults " + " ".join(head.split()[:2])
            wanted += [*([command] if command not in wanted else []), line]
    if outcome.code != 1:
        wanted.append(f"exit code {outcome.code}:\n{outcome.output[-4000:]}")
    return "\n".join(wanted)
