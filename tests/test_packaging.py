"""What a source distribution and a wheel hold; that they can be installed is seen in .ci/run."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import ngxloop

ROOT = Path(__file__).parent.parent


def run_setup(*arguments: str) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "NGXLOOP_PROBES"}
    done = subprocess.run(
        [sys.executable, "setup.py", "--quiet", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def sdist_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run_setup("egg_info", "--egg-base", str(folder), "sdist", "--dist-dir", str(folder))
    return folder


@pytest.fixture(scope="module")
def sdist_names(sdist_folder: Path) -> set[str]:
    (path,) = sdist_folder.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    run_setup("build_py", "--build-lib", str(folder))
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def names_in_checkout(*patterns: str) -> set[str]:
    paths = [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()]
    return {str(path.relative_to(ROOT)) for path in paths}


def test_sdist_has_all_that_building_takes(sdist_names: set[str]):
    sources = names_in_checkout("ngxloop/**/*.py", "ngxloop/**/*.p[xy][dix]")
    assert not sources - sdist_names
    assert not {"pyproject.toml", "setup.py", "README.md", "LICENSE"} - sdist_names


def test_sdist_has_all_that_testing_takes(sdist_names: set[str]):
    patterns = ("tests/**/*", "benchmarks/**/*.[pch]*", "examples/**/*", "scripts/*", ".ci/*")
    files = names_in_checkout(*patterns)
    made = {name for name in files if name.endswith((".so", ".pyc"))}
    assert not files - made - sdist_names
    assert "Makefile" in sdist_names


def test_sdist_has_nothing_that_was_made(sdist_names: set[str]):
    made = (".so", ".pyc", ".o")
    assert not {name for name in sdist_names if name.endswith(made) or name.startswith("build/")}


def test_wheel_has_the_modules_and_what_type_checkers_and_cython_need(wheel_names: set[str]):
    assert wheel_names == names_in_checkout(
        "ngxloop/**/*.py", "ngxloop/**/*.pyi", "ngxloop/**/*.pxd", "ngxloop/py.typed"
    )


def test_version_is_that_of_the_sdist(sdist_folder: Path):
    (information,) = sdist_folder.glob("*/PKG-INFO")
    assert f"\nVersion: {ngxloop.__version__}\n" in information.read_text()


MAPPED = """
import asyncio, ssl

def mapped():
    with open("/proc/self/maps") as maps:
        return {line.split(maxsplit=5)[5].strip() for line in maps if "/" in line}

before = mapped()
import ngxloop.compiled, ngxloop.http.compiled
print(*sorted(path for path in mapped() - before if ".so" in path), sep="\\n")
"""


def test_compiled_modules_need_no_library_but_the_systems():
    output = subprocess.run(
        [sys.executable, "-c", MAPPED], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    own = {path for path in output.split() if path.startswith(str(ROOT / "ngxloop"))}
    of_the_interpreter = {path for path in output.split() if "lib-dynload" in path}

    assert own
    assert not set(output.split()) - own - of_the_interpreter
