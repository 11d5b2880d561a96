"""python -m tests.packages.own_tests: packages' own tests, on asyncio's loop and on ngxloop's.

The tests come from the package's source distribution, in the version that is installed. A test that
fails on ngxloop's loop, but not on asyncio's, fails the run; what fails on both is the package's.
"""

import dataclasses
import importlib.metadata
import os
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

PROJECT = Path(__file__).parents[2]

# A folder of its own on the path: `tests` is the package's, not ours.
PLUGINS = Path(__file__).parent / "plugins"

# Seconds that one run of one package's tests may take.
TIME_LIMIT = 240


@dataclasses.dataclass(frozen=True)
class Suite:
    """A package, and which of its tests exercise an event loop."""

    package: str
    tests: tuple[str, ...]
    options: tuple[str, ...] = ()


SUITES = [
    Suite(
        "anyio",
        ("streams", "test_sockets.py", "test_subprocesses.py", "test_signals.py"),
        ("-k", "asyncio and not uvloop and not eager and not ipv6", "-p", "no:asyncio"),
    ),
    Suite("uvicorn", ("protocols", "test_server.py", "test_ssl.py"), ("-p", "no:asyncio")),
]


def main() -> int:
    """Run the suites named as arguments, or all; return the exit code."""
    wanted = sys.argv[1:] or [suite.package for suite in SUITES]
    return max([compare(suite) for suite in SUITES if suite.package in wanted])


def compare(suite: Suite) -> int:
    """Run one suite on both loops; print what fails on ours alone."""
    with tempfile.TemporaryDirectory() as name:
        sources = download(suite.package, Path(name))
        on_asyncio = run(suite, sources, "own_loop_asyncio")
        on_ours = run(suite, sources, "own_loop_ngxloop")
    worse = sorted(
        test for test, outcome in on_ours.items() if outcome == "failed" != on_asyncio.get(test)
    )
    passed = sum(outcome == "passed" for outcome in on_ours.values())
    both = sum(outcome == "failed" for outcome in on_ours.values()) - len(worse)
    print(
        f"{suite.package}: {passed} passed, {both} fail on both loops, {len(worse)} on ours alone"
    )
    for test in worse:
        print(f"FAILED {suite.package} {test}")
    return int(bool(worse) or not passed)


def download(package: str, folder: Path) -> Path:
    """Return the unpacked source distribution of the installed version."""
    version = importlib.metadata.version(package)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run(
        [*command, "--no-binary", package, "--dest", str(folder), f"{package}=={version}"],
        check=True,
    )
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (sources,) = (path for path in folder.iterdir() if path.is_dir())
    return sources


def run(suite: Suite, sources: Path, plugin: str) -> dict[str, str]:
    """Return the outcome of each test by its id, on the loop that the plugin installs."""
    results = sources / f"{plugin}.xml"
    tests = [str(Path("tests", name)) for name in suite.tests]
    options = [
        "-o",
        "addopts=",
        "-p",
        plugin,
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore",
        f"--junit-xml={results}",
    ]
    output = sources / f"{plugin}.txt"
    with output.open("w") as log:
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *options, *suite.options, *tests],
            cwd=sources,
            env=os.environ | {"PYTHONPATH": f"{PLUGINS}{os.pathsep}{PROJECT}"},
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=TIME_LIMIT,
            check=False,
        )
    if not results.exists():
        raise SystemExit(f"{suite.package}: pytest does not start:\n{output.read_text()[-3000:]}")
    return read_outcomes(results)


def read_outcomes(results: Path) -> dict[str, str]:
    """Return the outcome of each test by its id."""
    outcomes = {}
    for case in ET.parse(results).getroot().iter("testcase"):
        kinds = {child.tag for child in case}
        test = f"{case.get('classname')}.{case.get('name')}"
        if kinds & {"failure", "error"}:
            outcomes[test] = "failed"
        else:
            outcomes.setdefault(test, "skipped" if "skipped" in kinds else "passed")
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
