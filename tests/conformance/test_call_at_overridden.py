"""A call_at() of the program's own is what call_later() calls, as in asyncio."""

import asyncio
from unittest import mock

import pytest

import ngxloop
from tests.support.loops import run_turns


@pytest.fixture(params=[asyncio.SelectorEventLoop, ngxloop.EventLoop], ids=["asyncio", "ngxloop"])
def loop_class(request):
    return request.param


def test_call_later_calls_the_call_at_of_a_subclass(loop_class):
    class Recording(loop_class):
        def call_at(self, when, callback, *args, context=None):
            deadlines.append(when)
            return super().call_at(when, callback, *args, context=context)

    deadlines, seen = [], []
    loop = Recording()
    before = loop.time()

    handle = loop.call_later(0, seen.append, "ran")
    run_turns(loop, 2)
    loop.close()

    assert seen == ["ran"]
    assert deadlines == [handle.when()]
    assert deadlines[0] >= before


def test_call_later_calls_the_call_at_of_an_instance(loop):
    with mock.patch.object(loop, "call_at") as call_at:
        loop.call_later(5, print, "argument")

    (when, *rest), options = call_at.call_args
    assert rest == [print, "argument"]
    assert options == {"context": None}
    assert when > loop.time()


def test_call_later_calls_the_call_at_that_a_class_was_given(loop_class):
    with mock.patch.object(loop_class, "call_at", autospec=True) as call_at:
        loop = loop_class()
        loop.call_later(5, print)
        loop.close()

    assert call_at.call_count == 1


def test_tasks_that_sleep_use_it(loop_class):
    class Accelerated(loop_class):
        def call_at(self, when, callback, *args, context=None):
            sooner = self.time() + (when - self.time()) / 1000
            return super().call_at(sooner, callback, *args, context=context)

    loop = Accelerated()
    before = loop.time()
    loop.run_until_complete(asyncio.sleep(60))
    spent = loop.time() - before
    loop.close()

    assert spent < 60
