"""A plugin of pytest: write the outcome of each test to the file that NGXLOOP_OUTCOMES names.

A line is written when a test ends, so a run that crashes or is ended has told what came before.
"""

import json
import os

import pytest

_file = open(os.environ["NGXLOOP_OUTCOMES"], "a", buffering=1)  # noqa: SIM115 - until the end


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Write what a phase of a test tells: all but set-up and clean-up that went well."""
    if report.when == "call" or report.outcome != "passed":
        _file.write(json.dumps([report.nodeid, report.outcome]) + "\n")


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Write which files cannot be read."""
    if report.failed:
        _file.write(json.dumps([report.nodeid, "failed"]) + "\n")
