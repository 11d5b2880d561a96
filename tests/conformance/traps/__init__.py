"""What asyncio promises and other event loops break: every trap, and the tests that watch it.

Rules. A trap is told in one sentence, as asyncio behaves. Its tests run on asyncio and on ngxloop;
where the two differ on purpose the test says so, and docs/differences.md lists it. The name of a
test alone is given, for it may move from one file to another; test_traps.py looks for it.
"""
