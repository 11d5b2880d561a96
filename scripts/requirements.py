"""Print what pip has to install for building ngxloop and for the named extras of pyproject.toml."""

import sys
import tomllib
from pathlib import Path


def main(extras: list[str]) -> None:
    """Print one requirement a line."""
    settings = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    known = settings["project"]["optional-dependencies"]
    print(*settings["build-system"]["requires"], sep="\n")
    for extra in extras:
        print(*known[extra], sep="\n")


main(sys.argv[1:])
