"""A plugin of pytest for uvloop's own tests: what they try is ngxloop's loop."""

from uvloop import _testbase

import ngxloop

_testbase.UVTestCase.new_loop = lambda _case: ngxloop.new_event_loop()
_testbase.UVTestCase.new_policy = lambda _case: ngxloop.EventLoopPolicy()
