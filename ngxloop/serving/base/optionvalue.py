"""A value of an option, with where it was written."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class OptionValue:
    """What one source says about one option."""

    value: Any
    where: str  # as an error or --print-config names it: --workers, WEB_CONCURRENCY, file: key
