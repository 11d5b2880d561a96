"""python -m tests.packages.own_tests: packages' own tests, on asyncio's loop and on ngxloop's.

The tests come from the package's source distribution, in the version that is installed. A test that
fails on ngxloop's loop, but not on asyncio's, is run again by itself on both, up to three times; if
it fails each time on ngxloop's alone, it fails the run. What fails on both is the package's.

Arguments: names of packages, or `all`; without one, the short suites of tests/packages/suites.py.
"""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.packages.peers import redis_server
from tests.packages.suites import SUITES, Suite

PROJECT = Path(__file__).parents[2]

# A folder of its own on the path: `tests` is the package's, not ours.
PLUGINS = Path(__file__).parent / "plugins"

# Of pytest, for every suite: without what the package's own settings ask for.
OPTIONS = [
    "-q",
    "-oaddopts=",
    "-ofilterwarnings=",
    "-Wignore",
    "-pown_outcomes",
    "-pno:cacheprovider",
]

# It patches every loop, and is for the tests of its own package.
LOOPTIME_PLUGIN = "looptime_plugin"

# The folder of what is installed for one suite alone.
BESIDE = "beside"

# How often a test that failed on ours alone is run again by itself.
REPEATS = 3

# Seconds that one test may take, and one that is run again by itself.
TEST_LIMIT = 60
REPEAT_LIMIT = 120

# How pytest ends if it has run what it was to run: all passed, or some failed.
ENDS = {0, 1}


@dataclasses.dataclass
class Run:
    """What a run of pytest gave: its exit code, None at the time limit, and outcomes by test."""

    code: int | None
    outcomes: dict[str, str]
    output: str

    def tests(self, outcome: str) -> set[str]:
        return {test for test, found in self.outcomes.items() if found == outcome}

    def is_whole(self) -> bool:
        return self.code in ENDS


def main() -> int:
    """Run the suites named as arguments, or the short ones; return the exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the jobs of a shell ignore it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and end what was started
    wanted = sys.argv[1:] or [suite.package for suite in SUITES if not suite.is_long]
    suites = [suite for suite in SUITES if suite.package in wanted or "all" in wanted]
    return max([compare(suite) for suite in suites], default=2)


def compare(suite: Suite) -> int:
    """Run one suite on both loops; print what fails on ours alone."""
    if suite.needs and shutil.which(suite.needs) is None:
        print(f"{suite.package}: skipped, {suite.needs} is not installed")
        return 0
    with prepared(suite) as (sources, options):
        on_asyncio = run(suite, sources, suite.on_asyncio, [*suite.selection(), *options])
        on_ours = run(suite, sources, suite.on_ours, [*suite.selection(), *options])
        both = on_ours.tests("failed") & on_asyncio.tests("failed")
        suspects = sorted(on_ours.tests("failed") - both)
        if suspects:  # even if they pass by themselves: another test may have left something
            print(f"--- the end of {suite.package} on ngxloop:\n{on_ours.output}")
        worse = [test for test in suspects if fails_again(suite, sources, test, options)]
        version = version_of(suite.package, sources.parents[1])
    print(
        f"{suite.package} {version}: {len(on_ours.tests('passed'))} passed,"
        f" {len(both)} fail on both loops, {len(worse)} on ours alone",
        flush=True,
    )
    for test in worse:
        print(f"FAILED {suite.package} {test}")
    return int(bool(worse) or not are_comparable(suite, on_asyncio, on_ours))


def are_comparable(suite: Suite, on_asyncio: Run, on_ours: Run) -> bool:
    """Tell, and print if not, whether both runs came to their ends and ran the same tests."""
    for name, result in (("asyncio", on_asyncio), ("ngxloop", on_ours)):
        if not result.is_whole() or not result.tests("passed"):
            print(f"FAILED {suite.package} ended with {result.code} on {name}:\n{result.output}")
            return False
    missing = on_asyncio.tests("passed") - on_ours.tests("passed") - on_ours.tests("failed")
    for test in sorted(missing):
        print(f"FAILED {suite.package} {test} does not run on ngxloop")
    return not missing


def fails_again(suite: Suite, sources: Path, test: str, options: list[str]) -> bool:
    """Run one test by itself until it does what asyncio's loop does; print what happened."""
    for number in range(REPEATS):
        ours = run(suite, sources, suite.on_ours, [*suite.options, *options, test], REPEAT_LIMIT)
        if ours.is_whole() and not ours.tests("failed"):
            print(f"{suite.package} {test}: failed on ours, passed by itself ({number + 1})")
            return False
        theirs = run(
            suite, sources, suite.on_asyncio, [*suite.options, *options, test], REPEAT_LIMIT
        )
        if theirs.tests("failed"):
            print(f"{suite.package} {test}: failed on ours, fails by itself on both loops")
            return False
    print(f"--- {suite.package} {test} on ngxloop:\n{ours.output}")
    return True


@contextlib.contextmanager
def prepared(suite: Suite) -> Iterator[tuple[Path, list[str]]]:
    """Give the suite's sources, and the options that name the server it needs."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options = []
        if suite.needs == "redis-server":
            (folder / "redis").mkdir()
            host, port, _ = stack.enter_context(redis_server(folder / "redis"))
            options = [f"--redis-url=redis://{host}:{port}/0"]
        sources = download(suite, folder)
        if suite.hidden:
            shutil.rmtree(sources / suite.hidden)
        yield sources, options


def download(suite: Suite, folder: Path) -> Path:
    """Return the unpacked source distribution of the installed version."""
    if suite.beside:
        pip("install", "--target", str(folder / BESIDE), *suite.beside)
    wanted = f"{suite.package}=={version_of(suite.package, folder)}"
    pip("download", "--no-deps", "--no-binary", suite.package, "--dest", str(folder), wanted)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "sources", filter="data")
    (sources,) = (folder / "sources").iterdir()
    return sources


def pip(command: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", command, "--quiet", *arguments], check=True)


def version_of(package: str, folder: Path) -> str:
    """Return the installed version of a package, here or beside."""
    paths = [str(folder / BESIDE), *sys.path]
    return next(iter(importlib.metadata.distributions(name=package, path=paths))).version


def run(
    suite: Suite, sources: Path, plugin: str, arguments: list[str], limit: int | None = None
) -> Run:
    """Run pytest in the suite's sources, on the loop that the plugin installs."""
    outcomes = sources / f"{plugin}.outcomes"
    outcomes.unlink(missing_ok=True)
    output = sources / f"{plugin}.txt"
    options = [*OPTIONS, "-p", plugin, f"--timeout={TEST_LIMIT}", *arguments]
    if suite.package != "looptime":
        options += ["-p", f"no:{LOOPTIME_PLUGIN}"]
    environment = {
        "PYTHONPATH": os.pathsep.join(map(str, [PLUGINS, PROJECT, sources.parents[1] / BESIDE])),
        "NGXLOOP_OUTCOMES": str(outcomes),
    }
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options],
            cwd=sources / suite.folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        code = wait(process, limit or suite.time_limit)
    return Run(code, read_outcomes(outcomes), output.read_text(errors="replace")[-4000:])


def wait(process: subprocess.Popen[bytes], limit: int) -> int | None:
    """Return the exit code; at the time limit end the process and what it has started."""
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def read_outcomes(outcomes: Path) -> dict[str, str]:
    """Return the outcome of each test: failed, if one of its phases has failed."""
    found: dict[str, str] = {}
    lines = outcomes.read_text().splitlines() if outcomes.exists() else []
    for test, outcome in map(json.loads, lines):
        if found.get(test) != "failed":
            found[test] = outcome
    return found


if __name__ == "__main__":
    sys.exit(main())
