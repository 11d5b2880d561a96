"""The commands of scripts/: one at a time prepares something, wrong arguments are one line."""

import fcntl
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

WRONG = {
    "with: no kind": (["scripts/with"], "first argument"),
    "with: unknown kind": (["scripts/with", "tests", "true"], "first argument"),
    "with: unknown Python": (["scripts/with", "test", "true"], "python3.99"),
    "sid-pythons: unknown action": (["scripts/sid-pythons", "remove"], "first argument"),
    "sid-pythons: nothing installed": (["scripts/sid-pythons", "run", "true"], "install them"),
    "sid-pythons: foreign folder": (["scripts/sid-pythons", "install", "."], "is not empty"),
    "ci: unknown stage": ([".ci/run", "lints"], "no stage lints"),
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a folder with the scripts alone."""
    for name in ("scripts", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_wrong_call_is_one_clear_line(case: tuple[list[str], str], checkout: Path):
    command, expected = case
    done = subprocess.run(
        command,
        cwd=checkout,
        env=os.environ | {"PYTHON": "python3.99", "NGXLOOP_SID": str(checkout / "sid")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode not in {0, 127}
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_second_command_waits_until_the_first_has_built(checkout: Path):
    """The lock is that of flock(1). What comes after it, making an environment, is not awaited."""
    with (checkout / ".build.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen(
            ["scripts/with", "test", "true"],
            cwd=checkout,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                assert process.stderr.readline().startswith("waiting for another build")
                fcntl.flock(lock, fcntl.LOCK_UN)
                assert process.stderr.readline().startswith("preparing .venv-test")
            finally:
                os.killpg(process.pid, signal.SIGKILL)
