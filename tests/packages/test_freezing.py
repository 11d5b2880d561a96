"""A program on ngxloop that PyInstaller has frozen works without the sources."""

import os
import subprocess
import sys
from pathlib import Path

import ngxloop
from tests.packages.peers import need
from tests.support.tls import CERTIFICATES

need("PyInstaller")

PROGRAM = Path(__file__).parent / "programs" / "frozen.py"
EXPECTED = ["OVER TLS", "a datagram", "a process", "EventLoop"]


def test_a_program_frozen_by_pyinstaller_runs(tmp_path):
    root = Path(ngxloop.__file__).parents[1]
    arguments = ["--noconfirm", "--onedir", "--log-level", "ERROR", "--paths", str(root)]
    folders = [f"--{kind}path={tmp_path / kind}" for kind in ("dist", "work", "spec")]
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", *arguments, *folders, str(PROGRAM)],
        check=True,
        timeout=110,
        cwd=tmp_path,
        env={**os.environ, "PYINSTALLER_CONFIG_DIR": str(tmp_path / "cache")},
    )

    frozen = tmp_path / "dist" / "frozen" / "frozen"
    ran = subprocess.run(
        [frozen, CERTIFICATES], capture_output=True, text=True, timeout=60, cwd="/", check=False
    )

    assert ran.stdout.splitlines() == EXPECTED, ran.stderr
