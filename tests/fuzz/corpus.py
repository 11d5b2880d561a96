"""The kept inputs: one a line, as a literal of bytes, so that changes of them can be read."""

import ast
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"


def read_corpus(name: str) -> list[bytes]:
    """Return the inputs that are kept under a name."""
    lines = (FOLDER / f"{name}.txt").read_text(encoding="ascii").splitlines()
    return [ast.literal_eval(line) for line in lines]


def write_corpus(name: str, inputs: Iterable[bytes]) -> None:
    """Keep inputs under a name, in place of those that were kept: the smallest first."""
    ordered = sorted(set(inputs), key=lambda data: (len(data), data))
    text = "".join(f"{data!r}\n" for data in ordered)
    (FOLDER / f"{name}.txt").write_text(text, encoding="ascii")
