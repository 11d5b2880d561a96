"""A plugin of pytest for uvloop's own tests: what they try is asyncio's loop."""

import asyncio

from uvloop import _testbase

_testbase.UVTestCase.new_loop = lambda _case: asyncio.SelectorEventLoop()
_testbase.UVTestCase.new_policy = lambda _case: asyncio.DefaultEventLoopPolicy()
