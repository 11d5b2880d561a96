"""A program of a user who checks types strictly: every way to run something on ngxloop.

Never run, only read by mypy. A line with `type: ignore` must be an error: mypy tells if it is none.
"""

import asyncio
from typing import assert_type

import ngxloop


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


assert_type(ngxloop.run(answer()), int)
assert_type(ngxloop.run(answer(), debug=True), int)
assert_type(ngxloop.__version__, str)

with asyncio.Runner(loop_factory=ngxloop.new_event_loop) as runner:
    assert_type(runner.run(answer()), int)

loop: asyncio.AbstractEventLoop = ngxloop.new_event_loop()
base: asyncio.BaseEventLoop = ngxloop.EventLoop()
assert_type(ngxloop.new_event_loop(), ngxloop.EventLoop)
assert_type(base.run_until_complete(answer()), int)

asyncio.set_event_loop_policy(ngxloop.Policy())
asyncio.set_event_loop_policy(ngxloop.EventLoopPolicy())
ngxloop.install()

ngxloop.run(answer)  # type: ignore[arg-type]
ngxloop.run(answer(), debug="yes")  # type: ignore[arg-type]
