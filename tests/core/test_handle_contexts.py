"""Handle: its context, which the collector does not see while it waits."""

import contextvars
import gc
from functools import partial

import pytest


def test_copied_context_is_hidden_from_the_collector_until_somebody_looks(loop):
    loop.call_soon(print)  # a handle that waits alone hides nothing
    handle = loop.call_soon(print)
    hidden = [each for each in gc.get_objects() if type(each) is contextvars.Context]

    context = handle._context

    assert gc.is_tracked(context)
    assert not any(each is context for each in hidden)


@pytest.mark.parametrize("schedule", ["call_soon", "call_later"])
def test_hidden_contexts_survive_collections_and_every_end(loop, schedule):
    variable = contextvars.ContextVar("variable")
    call = loop.call_soon if schedule == "call_soon" else partial(loop.call_later, 0)
    for number in range(300):
        variable.set([number])
        seen = []
        handles = [call(lambda seen=seen: seen.append(variable.get())) for _ in range(3)]
        handles[0].cancel()
        if number % 3 == 0:
            assert handles[1]._context[variable] == [number]
        if number % 10 == 0:
            gc.collect()
        del handles
        loop.call_soon(loop.stop)
        loop.run_forever()
        assert seen == [[number]] * 2


def test_given_context_stays_known_to_the_collector(loop):
    context = contextvars.copy_context()

    handle = loop.call_soon(print, context=context)

    assert gc.is_tracked(context)
    handle.cancel()
