"""ngxloop.Policy and install(): ngxloop as the loop of asyncio's own entry points."""

import asyncio
import sys
import threading

import pytest

import ngxloop

# Policies are deprecated from Python 3.14 on, and gone in 3.16.
pytestmark = pytest.mark.filterwarnings("ignore:.*[pP]olicy.* is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def policy_of_before():
    before = asyncio.get_event_loop_policy()
    yield before
    asyncio.set_event_loop_policy(before)


async def running_loop():
    return asyncio.get_running_loop()


def in_thread(function):
    """Return what the function returns in a thread of its own."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_event_loop_policy_is_another_name_of_policy():
    assert ngxloop.EventLoopPolicy is ngxloop.Policy


def test_a_policy_is_one_of_asyncio():
    assert isinstance(ngxloop.Policy(), asyncio.AbstractEventLoopPolicy)
    assert isinstance(ngxloop.Policy(), asyncio.DefaultEventLoopPolicy)


def test_new_event_loop_of_a_policy_is_ours_and_new_every_time():
    policy = ngxloop.Policy()
    one, other = policy.new_event_loop(), policy.new_event_loop()

    assert type(one) is type(other) is ngxloop.EventLoop
    assert one is not other
    one.close()
    other.close()


def test_asyncio_run_runs_on_our_loop_under_our_policy():
    asyncio.set_event_loop_policy(ngxloop.Policy())

    loop = asyncio.run(running_loop())

    assert type(loop) is ngxloop.EventLoop
    assert loop.is_closed()


def test_asyncio_runner_runs_on_our_loop_under_our_policy():
    asyncio.set_event_loop_policy(ngxloop.Policy())

    with asyncio.Runner() as runner:
        assert type(runner.get_loop()) is ngxloop.EventLoop
        assert runner.run(running_loop()) is runner.get_loop()


def test_asyncio_run_in_another_thread_runs_on_our_loop_under_our_policy():
    asyncio.set_event_loop_policy(ngxloop.Policy())

    assert type(in_thread(lambda: asyncio.run(running_loop()))) is ngxloop.EventLoop


def test_asyncio_new_event_loop_makes_our_loop_under_our_policy():
    asyncio.set_event_loop_policy(ngxloop.Policy())

    loop = asyncio.new_event_loop()

    assert type(loop) is ngxloop.EventLoop
    loop.close()


def test_the_current_loop_is_remembered_for_each_thread():
    asyncio.set_event_loop_policy(ngxloop.Policy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def error_in_thread():
        with pytest.raises(RuntimeError, match="There is no current event loop in thread"):
            asyncio.get_event_loop()
        return "raised"

    assert asyncio.get_event_loop() is loop
    assert in_thread(error_in_thread) == "raised"
    asyncio.set_event_loop(None)
    loop.close()


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="no loop is made unasked any more")
@pytest.mark.filterwarnings("ignore:There is no current event loop:DeprecationWarning")
def test_a_loop_that_is_made_unasked_is_ours():
    asyncio.set_event_loop_policy(ngxloop.Policy())

    loop = asyncio.get_event_loop()

    assert type(loop) is ngxloop.EventLoop
    assert asyncio.get_event_loop() is loop
    asyncio.set_event_loop(None)
    loop.close()


def test_the_default_policy_brings_back_asyncios_loop():
    asyncio.set_event_loop_policy(ngxloop.Policy())
    asyncio.set_event_loop_policy(None)

    assert not isinstance(asyncio.run(running_loop()), ngxloop.EventLoop)


def test_install_makes_our_loop_the_default():
    ngxloop.install()
    ngxloop.install()

    assert type(asyncio.get_event_loop_policy()) is ngxloop.Policy
    assert type(asyncio.run(running_loop())) is ngxloop.EventLoop


def test_importing_the_package_leaves_the_policy_alone(policy_of_before):
    assert not isinstance(policy_of_before, ngxloop.Policy)
