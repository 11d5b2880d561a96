"""Adopted methods: compiled methods of a base become those of the class that inherits them."""

import asyncio
import inspect

import pytest

from ngxloop import EventLoop
from ngxloop.core.methods import adopt_methods
from ngxloop.core.scheduling import Scheduling

ADOPTED = pytest.mark.parametrize(
    "name",
    [
        "call_at",
        "call_later",
        "call_soon",
        "call_soon_threadsafe",
        "create_future",
        "create_task",
    ],
)


@ADOPTED
def test_event_loop_owns_what_is_called_often(name):
    method = getattr(EventLoop, name)

    assert method.__objclass__ is EventLoop
    assert inspect.signature(method) == inspect.signature(getattr(Scheduling, name))
    assert method.__doc__ == getattr(Scheduling, name).__doc__


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


def test_what_is_not_compiled_is_refused():
    with pytest.raises(TypeError, match="run_forever is not a compiled method"):
        adopt_methods(EventLoop, ["run_forever"])
