from typing import Final

LETTERS: Final[frozenset[int]]
DIGITS: Final[frozenset[int]]
VISIBLE: Final[frozenset[int]]
TOKEN: Final[frozenset[int]]
UNRESERVED: Final[frozenset[int]]
SUB_DELIMITERS: Final[frozenset[int]]
TARGET: Final[frozenset[int]]
SETS: Final[dict[int, frozenset[int]]]

def fill_tables() -> None: ...
