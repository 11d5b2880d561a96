"""Run one module of test.test_asyncio on a swapped loop and judge the outcome."""

import collections
import dataclasses
import gc
import platform
import sys
import unittest

from tests.cpython.exceptions import LISTED, LOOPLESS, Listed
from tests.cpython.swap import ASYNCIO, MADE, swap_in

PACKAGE = "test.test_asyncio"


class RecordingResult(unittest.TextTestResult):
    """Keep the outcome of every test by its id."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.outcomes: dict[str, str] = {}

    def stopTest(self, test: unittest.TestCase) -> None:  # noqa: N802 - unittest's name
        super().stopTest(test)
        if self.outcomes.setdefault(short_id(test), "passed") == "failed":
            gc.collect()  # what a failed test left open must not warn in the next one

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        self.outcomes.setdefault(short_id(test), "skipped")
        super().addSkip(test, reason)

    def addError(self, test: unittest.TestCase, err) -> None:  # noqa: N802
        self.outcomes[short_id(test)] = "failed"
        super().addError(test, err)

    def addFailure(self, test: unittest.TestCase, err) -> None:  # noqa: N802
        self.outcomes[short_id(test)] = "failed"
        super().addFailure(test, err)

    def addSubTest(self, test: unittest.TestCase, subtest, err) -> None:  # noqa: N802
        if err is not None:
            self.outcomes[short_id(test)] = "failed"
        super().addSubTest(test, subtest, err)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self.outcomes[short_id(test)] = "failed"
        super().addUnexpectedSuccess(test)


@dataclasses.dataclass
class Report:
    """What a run found out."""

    outcomes: dict[str, str]
    failed: list[str]
    excused: list[str]
    stale: list[str]
    wrong_loop: bool = False

    @property
    def good(self) -> bool:
        return not (self.failed or self.stale or self.wrong_loop)


def short_id(test: unittest.TestCase) -> str:
    """Return MODULE.CLASS.METHOD, without the name of the package."""
    return test.id().removeprefix(f"{PACKAGE}.")


def run_module(module: str, loop: str, only: str | None = None) -> Report:
    """Run a module of the interpreter's tests on MODULE:CLASS, or those whose id has `only`."""
    swap_in(loop)
    listed = [] if loop == ASYNCIO else [entry for entry in LISTED if entry.applies()]
    listed = [entry for entry in listed if entry.pattern.startswith(f"{module}.")]
    suite = unittest.defaultTestLoader.loadTestsFromName(f"{PACKAGE}.{module}")
    not_run = [entry for entry in listed if not entry.runs]
    suite = _without(suite, lambda test_id: any(entry.matches(test_id) for entry in not_run))
    if only:
        suite = _without(suite, lambda test_id: only not in test_id)
    runner = unittest.TextTestRunner(sys.stdout, resultclass=RecordingResult)
    outcomes = runner.run(suite).outcomes
    report = _judge(outcomes, [entry for entry in listed if entry.runs and not only])
    report.wrong_loop = not _made_only("asyncio" if loop == ASYNCIO else "swapped", module)
    return report


def _without(suite: unittest.TestSuite, unwanted) -> unittest.TestSuite:
    """Return the suite without the tests whose id is unwanted, its modules' fixtures kept."""
    kept = unittest.TestSuite()
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            kept.addTest(_without(test, unwanted))
        elif not unwanted(short_id(test)):
            kept.addTest(test)
    return kept


def _judge(outcomes: dict[str, str], listed: list[Listed]) -> Report:
    """Sort failures into excused and not, and find entries of the list that are stale."""
    failed = [test_id for test_id, outcome in outcomes.items() if outcome == "failed"]
    excused = [i for i in failed if any(entry.matches(i) for entry in listed)]
    stale = []
    for entry in listed:
        matched = [test_id for test_id in outcomes if entry.matches(test_id)]
        stale += [f"{i} passes: {entry.pattern}" for i in matched if outcomes[i] == "passed"]
        if not matched:
            stale.append(f"no test matches: {entry.pattern}")
    return Report(
        outcomes=outcomes,
        failed=sorted(set(failed) - set(excused)),
        excused=excused,
        stale=stale,
    )


def _made_only(kind: str, module: str) -> bool:
    """Tell whether the tests ran on loops of this kind alone, if they need loops at all."""
    return set(MADE) == {kind} or (not MADE and module in LOOPLESS)


def print_report(module: str, loop: str, report: Report) -> None:
    """Print what a person wants to know of a run: a summary, then what is wrong."""
    counts = collections.Counter(report.outcomes.values())
    made = ", ".join(f"{count} {kind}" for kind, count in MADE.items()) or "none"
    print(f"\n{module} on {loop}, Python {platform.python_version()}")
    print(
        f"{counts['passed']} passed, {counts['skipped']} skipped, {len(report.excused)} listed in "
        f"exceptions.py, {len(report.failed)} failed, {len(report.stale)} stale"
    )
    print(f"loops made: {made}")
    for test_id in report.failed:
        print(f"FAILED {test_id}")
    for text in report.stale:
        print(f"STALE {text}")
    if report.wrong_loop:
        print("WRONG LOOP the tests did not run on the loop they were to run on, or not only on it")
