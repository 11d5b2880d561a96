"""A plugin of pytest for uvloop's own tests: what they try is ngxloop's loop."""

import pytest
from uvloop import _testbase

import ngxloop

_testbase.UVTestCase.new_loop = lambda _case: ngxloop.new_event_loop()
_testbase.UVTestCase.new_policy = lambda _case: ngxloop.EventLoopPolicy()

# For those that start a program: how it makes its loop.
NEW_LOOP = '__import__("ngxloop").new_event_loop()'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let programs that are started make this loop, too."""
    for item in items:
        if hasattr(item.cls, "NEW_LOOP"):
            item.cls.NEW_LOOP = NEW_LOOP
