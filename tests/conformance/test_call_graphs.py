"""What Python 3.14 shows of tasks: capture_call_graph(), `asyncio ps` and `asyncio pstree`."""

import asyncio
import subprocess
import sys

import pytest

from tests.support.loops import OTHER_LOOP

pytestmark = pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")

# A program on the loop under test whose tasks await each other; it prints a line when they do.
PROGRAM = """
import asyncio, importlib, sys

module, _, attribute = sys.argv[1].partition(":")
factory = getattr(importlib.import_module(module), attribute)

async def innermost(started):
    started.set()
    await asyncio.get_running_loop().create_future()

async def middle(started):
    await innermost(started)

async def outermost():
    async with asyncio.TaskGroup() as group:
        started = asyncio.Event()
        group.create_task(middle(started), name="the middle task")
        await started.wait()
        print("started", flush=True)

with asyncio.Runner(loop_factory=factory) as runner:
    runner.run(outermost())
"""
LOOPS = pytest.mark.parametrize(
    "loop_name", ["asyncio:SelectorEventLoop", OTHER_LOOP], ids=["asyncio", "ngxloop"]
)


def look_from_outside(command: str, loop_name: str) -> str:
    """Return what `python -m asyncio COMMAND PID` prints of the program."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, loop_name], stdout=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "started\n"
            result = subprocess.run(
                [sys.executable, "-m", "asyncio", command, str(program.pid)],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            program.kill()
    if "permission" in result.stderr.lower() or "not permitted" in result.stderr.lower():
        pytest.skip("this process may not look into others")
    assert result.returncode == 0, result.stderr
    return result.stdout


@LOOPS
def test_ps_lists_the_tasks(loop_name):
    output = look_from_outside("ps", loop_name)

    assert "the middle task" in output
    assert "innermost" in output


@LOOPS
def test_pstree_shows_who_awaits_whom(loop_name):
    output = look_from_outside("pstree", loop_name)

    assert output.index("outermost") < output.index("the middle task")
    assert output.index("the middle task") < output.index("innermost")


async def test_a_call_graph_shows_the_coroutines_and_the_waiting_task():
    async def wait_for_ever():
        await asyncio.get_running_loop().create_future()

    async def call():
        await wait_for_ever()

    async def wait_for(task):
        await task

    task = asyncio.create_task(call(), name="inner")
    waiter = asyncio.create_task(wait_for(task), name="outer")
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    graph = asyncio.capture_call_graph(task)

    assert [entry.frame.f_code.co_name for entry in graph.call_stack] == ["wait_for_ever", "call"]
    assert [awaited.future for awaited in graph.awaited_by] == [waiter]
    assert "outer" in asyncio.format_call_graph(task)
    waiter.cancel()
    await asyncio.gather(task, waiter, return_exceptions=True)


async def test_a_call_graph_of_the_running_task_contains_its_own_frames():
    async def ask():
        return asyncio.capture_call_graph()

    graph = await ask()

    names = [entry.frame.f_code.co_name for entry in graph.call_stack]
    assert names[0] == "ask"
    assert graph.future is asyncio.current_task()


async def test_there_is_no_call_graph_in_a_callback_of_the_loop():
    graphs = []

    asyncio.get_running_loop().call_soon(lambda: graphs.append(asyncio.capture_call_graph()))
    await asyncio.sleep(0)

    assert graphs == [None]
