"""python -m tests.cpython.many FOLDER MODULE...: run several modules, a few of them at once.

Each runs in a process of its own, in a folder of its own: some write files into the current folder.
What one has printed is in FOLDER/MODULE.txt, its exit code in FOLDER/MODULE.code once it has ended.
"""

import concurrent.futures
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]

# They sleep for four fifths of their time.
AT_ONCE = 4

# Seconds that a module may take; the slowest takes about 15 on an idle machine, 300 on a busy one.
TIME_LIMIT = 600

# These take longest, and begin first.
SLOWEST = ("test_tasks", "test_subprocess", "test_ssl", "test_events")


def run(folder: Path, module: str) -> None:
    """Run one module and write down what came of it."""
    place = folder / module
    place.mkdir()
    with (folder / f"{module}.txt").open("w") as output:
        try:
            code = subprocess.run(
                [sys.executable, "-m", "tests.cpython", module],
                cwd=place,
                env=os.environ | {"PYTHONPATH": str(PROJECT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=TIME_LIMIT,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = f"not finished after {TIME_LIMIT} s"
    unfinished = folder / f"{module}.new"
    unfinished.write_text(f"{code}\n")
    unfinished.rename(folder / f"{module}.code")


def main() -> None:
    """Run the modules named as arguments."""
    folder = Path(sys.argv[1])
    modules = sorted(sys.argv[2:], key=lambda name: name not in SLOWEST)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(run, folder, module) for module in modules]:
            done.result()


if __name__ == "__main__":
    main()
