"""The interpreter's tests that do not pass on ngxloop's loop: every one, with its reason.

Rules. A pattern (fnmatch) names tests as MODULE.CLASS.METHOD. Every test it matches must fail in
the versions given: one that passes, or a pattern that matches nothing, is stale and fails the run.
Tests that would hang or end the process are not run at all; only those may say `runs=False`.
"""

import dataclasses
import fnmatch
import sys


@dataclasses.dataclass(frozen=True)
class Listed:
    """A pattern of test ids, why these tests fail, and in which versions of Python."""

    pattern: str
    reason: str
    since: tuple[int, ...] = (3, 11)
    before: tuple[int, ...] = (4,)
    runs: bool = True

    def applies(self) -> bool:
        return self.since <= sys.version_info[:3] < self.before

    def matches(self, test_id: str) -> bool:
        return fnmatch.fnmatchcase(test_id, self.pattern)


LISTED: list[Listed] = []
