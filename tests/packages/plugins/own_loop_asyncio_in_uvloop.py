"""A plugin of pytest for uvloop's own tests: what they try is asyncio's loop."""

import asyncio

import pytest
from uvloop import _testbase

_testbase.UVTestCase.new_loop = lambda _case: asyncio.SelectorEventLoop()
_testbase.UVTestCase.new_policy = lambda _case: asyncio.DefaultEventLoopPolicy()

# For those that start a program: how it makes its loop.
NEW_LOOP = '__import__("asyncio").SelectorEventLoop()'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let programs that are started make this loop, too."""
    for item in items:
        if hasattr(item.cls, "NEW_LOOP"):
            item.cls.NEW_LOOP = NEW_LOOP
