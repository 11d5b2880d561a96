"""Wrong use gets the exception that asyncio raises, never a crash; see tests.conformance.wrong."""

import asyncio
import fnmatch
import gc
import inspect
import re
import warnings

import pytest

from tests.conformance.wrong import scheduling, sockets
from tests.conformance.wrong.known import ON_PURPOSE, OWN_WORDS
from tests.conformance.wrong.things import things
from tests.support import loops
from tests.support.waiting import turns

USES = {
    **scheduling.SCHEDULING,
    **sockets.WATCHING,
    **sockets.SOCKETS,
    **sockets.CONNECTIONS,
    **sockets.TAKING_OVER,
}

OTHER = list(loops.LOOPS)[-1]

# Seconds after which something that is awaited counts as waiting. Nothing here waits for others.
PATIENCE = 0.2

# What asyncio takes, and what ends the loop's run when it comes to it: ngxloop refuses it at once.
BREAKS = ("breaks the loop", "")


def outcome(loop_name, use, state, debug=False):
    """Return what comes of a wrong use: how it ended, and what was reported to the loop."""
    loop = loops.LOOPS[loop_name]()
    loop.set_debug(debug)
    with warnings.catch_warnings(), things() as some:
        warnings.simplefilter("ignore")  # coroutines that were refused are never awaited
        try:
            ended = STATES[state](loop, use, some)
        except Exception:
            ended = BREAKS
        finally:
            loop.close()
        reported = [type((report or {}).get("exception")).__name__ for report in loops.reports]
        loops.reports.clear()
    return ended, reported


def on_a_running_loop(loop, use, some):
    async def main():
        try:
            result = use(loop, some)
            if inspect.isawaitable(result):
                result = await asyncio.wait_for(result, PATIENCE)
        except TimeoutError:
            result = "waits"
        except Exception as exc:
            return told(exc)
        kind = kind_of(result)
        await put_away(result)
        return kind

    return loop.run_until_complete(main())


def on_a_stopped_loop(loop, use, some):
    """Call, then let the loop turn; what is awaited is another table's business."""
    try:
        result = use(loop, some)
        if inspect.isawaitable(result) and not isinstance(result, asyncio.Future):
            result.close()
    except Exception as exc:
        return told(exc)
    loop.run_until_complete(turns(3))
    return kind_of(result)


def on_a_closed_loop(loop, use, some):
    """Step a coroutine by hand: the loop does it no more."""
    loop.close()
    asyncio.set_event_loop(loop)  # gather() would make another one
    try:
        result = use(loop, some)
        if inspect.isawaitable(result) and not isinstance(result, asyncio.Future):
            next(iter(result.__await__()))
    except StopIteration as exc:
        return kind_of(exc.value)
    except Exception as exc:
        return told(exc)
    finally:
        asyncio.set_event_loop(None)
    return kind_of(result)


STATES = {
    "running": on_a_running_loop,
    "stopped": on_a_stopped_loop,
    "closed": on_a_closed_loop,
}


def told(exc):
    text = re.sub(r" at 0x[0-9a-f]+|fd=\d+", "", str(exc))
    text = re.sub(r"(?<=127\.0\.0\.1', )\d+", "PORT", text)
    return type(exc).__name__, text


def kind_of(result):
    """Return what can be compared of a result."""
    if result is None or isinstance(result, bool | str | int):
        return "returns", result
    return "returns", "something"


async def put_away(result):
    """Close what a use has got after all."""
    for one in result if isinstance(result, tuple) else [result]:
        if isinstance(one, asyncio.Handle):
            one.cancel()
        elif hasattr(one, "abort"):
            one.abort()
        elif hasattr(one, "close"):
            one.close()
    await turns(3)


# asyncio's pipe transports, half made, fail in __del__.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("name", USES)
def test_wrong_use_ends_as_on_asyncio(name, debug):
    expected = {state: outcome("asyncio", USES[name], state, debug) for state in STATES}
    ended = {state: outcome(OTHER, USES[name], state, debug) for state in STATES}
    gc.collect()
    loops.reports.clear()  # of what was refused, and dropped

    if any(fnmatch.fnmatchcase(name, pattern) for pattern in OWN_WORDS):
        expected, ended = wordless(expected), wordless(ended)
    for state in STATES:
        if ended[state] != expected[state] and name in ON_PURPOSE:
            assert ended[state][0][0] == ON_PURPOSE[name], state
        else:
            assert ended[state] == expected[state], state


def wordless(outcomes):
    return {state: ((ended[0],), len(reported)) for state, (ended, reported) in outcomes.items()}


def test_what_is_known_to_end_otherwise_is_in_the_table():
    assert ON_PURPOSE.keys() <= USES.keys()
    unused = [pattern for pattern in OWN_WORDS if not fnmatch.filter(USES, pattern)]
    assert not unused
