"""_ready of a loop, where only ngxloop's own could go wrong."""

import pytest

import ngxloop
from tests.support.loops import run_turns


@pytest.mark.parametrize("answer", [None, "no handle"])
def test_a_foreign_handle_does_not_depend_on_an_overridden_call_soon(answer):
    class Loop(ngxloop.EventLoop):
        def call_soon(self, *args, **options):
            super().call_soon(*args, **options)
            return answer

    class Foreign:
        _cancelled = False

        def _run(self):
            seen.append("foreign")

    seen = []
    loop = Loop()
    try:
        loop.call_soon(seen.append, "own")
        loop._ready.appendleft(Foreign())
        loop._ready.append(Foreign())
        run_turns(loop, 1)
    finally:
        loop.close()

    assert seen == ["foreign", "own", "foreign"]
