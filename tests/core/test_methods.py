"""Adopted methods: compiled methods of a base become those of the class that inherits them."""

import asyncio
import contextlib
import inspect

import pytest

from ngxloop import EventLoop
from ngxloop.core.methods import adopt_methods
from ngxloop.core.sockops import SockCalls
from tests.support.busy_methods import BUSY_METHODS

ADOPTED = pytest.mark.parametrize("name", BUSY_METHODS)


@ADOPTED
def test_event_loop_owns_what_is_called_often(name):
    method = getattr(EventLoop, name)

    assert method.__objclass__ is EventLoop
    assert inspect.signature(method) == inspect.signature(getattr(SockCalls, name))
    assert method.__doc__ == getattr(SockCalls, name).__doc__


@ADOPTED
def test_adopted_method_takes_no_stranger(name):
    with pytest.raises(TypeError, match="EventLoop"):
        getattr(EventLoop, name)(object(), int)


def test_adopted_method_works_for_a_subclass_and_through_super():
    class Counting(EventLoop):
        count = 0

        def call_soon(self, callback, *args, context=None):
            self.count += 1
            return super().call_soon(callback, *args, context=context)

    with asyncio.Runner(loop_factory=Counting) as runner:
        runner.run(asyncio.sleep(0))

        assert runner.get_loop().count > 0


def test_adopted_clock_does_not_count_as_a_clock_of_the_programs():
    class Subclass(EventLoop):
        pass

    class Testing(EventLoop):
        def time(self):
            return 0.0

    for loop_class, is_own in ((EventLoop, True), (Subclass, True), (Testing, False)):
        with contextlib.closing(loop_class()) as loop:
            assert ("clock" in loop.stats().fast_paths) is is_own, loop_class


def test_what_is_not_compiled_is_refused():
    with pytest.raises(TypeError, match="run_forever is not a compiled method"):
        adopt_methods(EventLoop, ["run_forever"])
