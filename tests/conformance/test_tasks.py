"""create_task, task factories, futures."""

import asyncio
import contextvars
import gc
import sys
import weakref

import pytest


async def test_create_task_names_the_task():
    task = asyncio.get_running_loop().create_task(asyncio.sleep(0), name="my name")

    assert task.get_name() == "my name"
    await task


async def test_create_task_runs_the_coroutine_in_the_given_context():
    variable = contextvars.ContextVar("variable", default="outside")
    context = contextvars.copy_context()
    context.run(variable.set, "inside")

    async def get():
        await asyncio.sleep(0)
        return variable.get()

    loop = asyncio.get_running_loop()
    assert await loop.create_task(get(), context=context) == "inside"
    assert await loop.create_task(get()) == "outside"


async def test_create_task_makes_an_asyncio_task_of_this_loop():
    loop = asyncio.get_running_loop()
    task = loop.create_task(asyncio.sleep(0))

    assert type(task) is asyncio.Task
    assert task.get_loop() is loop
    await task


async def test_create_future_makes_an_asyncio_future_of_this_loop():
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    assert type(future) is asyncio.Future
    assert future.get_loop() is loop


async def test_create_task_takes_a_name_and_a_context():
    loop = asyncio.get_running_loop()
    variable = contextvars.ContextVar("variable", default="outside")
    context = contextvars.copy_context()
    context.run(variable.set, "inside")

    async def read():
        return variable.get()

    named = loop.create_task(read(), name="my name")
    inside = loop.create_task(read(), context=context)

    assert type(named) is asyncio.Task
    assert (named.get_name(), named.get_loop()) == ("my name", loop)
    assert inside.get_name().startswith("Task-")
    assert (await named, await inside) == ("outside", "inside")


@pytest.mark.parametrize("options", [{"loop": None}, {"nonsense": 1}], ids=["loop", "unknown"])
async def test_create_task_refuses_options_that_it_does_not_know(options):
    coro = asyncio.sleep(0)
    with pytest.raises(TypeError):
        asyncio.get_running_loop().create_task(coro, **options)
    coro.close()


async def test_create_task_refuses_what_is_no_coroutine():
    with pytest.raises(TypeError, match="a coroutine was expected, got 'text'"):
        asyncio.get_running_loop().create_task("text")


async def test_create_task_makes_the_class_that_asyncio_tasks_names(monkeypatch):
    class Task(asyncio.Task):
        pass

    monkeypatch.setattr(asyncio.tasks, "Task", Task)
    task = asyncio.get_running_loop().create_task(asyncio.sleep(0))
    await task

    assert type(task) is Task


@pytest.mark.parametrize("create", ["loop", "asyncio", "group"])
async def test_a_task_without_a_name_gets_one(create):
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        owners = {"loop": loop, "asyncio": asyncio, "group": group}
        make = owners[create].create_task
        tasks = [make(asyncio.sleep(0)), make(asyncio.sleep(0), name=None)]
        named = [make(asyncio.sleep(0), name=name) for name in ("mine", "", 7)]

    assert all(task.get_name().startswith("Task-") for task in tasks)
    assert [task.get_name() for task in named] == ["mine", "", "7"]


async def test_create_task_takes_the_coroutine_by_its_name():
    assert await asyncio.get_running_loop().create_task(coro=asyncio.sleep(0, "result")) == "result"


@pytest.mark.parametrize("arguments", [(), (1, 2)], ids=["none", "two"])
async def test_create_task_takes_one_argument(arguments):
    with pytest.raises(TypeError):
        asyncio.get_running_loop().create_task(*arguments)


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14")
async def test_create_task_passes_eager_start_on():
    loop = asyncio.get_running_loop()
    seen = []

    async def note():
        seen.append("begun")

    eager = loop.create_task(note(), eager_start=True)
    assert (seen, eager.done()) == (["begun"], True)

    lazy = loop.create_task(note(), eager_start=False)
    assert seen == ["begun"]
    await lazy


async def test_a_replaced_class_of_tasks_gets_every_option(monkeypatch):
    seen = []

    class Task(asyncio.Task):
        def __init__(self, coro, **options):
            seen.append(set(options))
            super().__init__(coro, **options)

    monkeypatch.setattr(asyncio.tasks, "Task", Task)
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    await loop.create_task(asyncio.sleep(0))
    await loop.create_task(asyncio.sleep(0), name="name", context=context)

    assert all("loop" in options for options in seen)
    assert seen[1] == {"loop", "name", "context"}


def test_a_closed_loop_makes_no_task(loop):
    loop.close()
    coro = asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.create_task(coro)
    coro.close()


def test_what_a_refused_task_was_given_is_free_at_once(loop):
    class Refused:
        pass

    refused = Refused()
    gone = weakref.ref(refused)
    gc.disable()
    try:
        with pytest.raises(TypeError):
            loop.create_task(refused)
        del refused
        assert gone() is None
    finally:
        gc.enable()


async def test_debug_mode_tells_where_a_task_was_made():
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    task = loop.create_task(asyncio.sleep(0))
    last = task._source_traceback[-1]
    await task

    assert last.filename == __file__


def test_tasks_and_futures_of_two_loops_know_their_own(loop_factory):
    loops = [loop_factory(), loop_factory()]
    made = []

    async def make(loop):
        made.append((loop, loop.create_future()))
        task = loop.create_task(asyncio.sleep(0))
        made.append((loop, task))
        await task

    for _ in range(2):
        for loop in loops:
            made.append((loop, loop.create_future()))
            loop.run_until_complete(make(loop))
    for loop in loops:
        loop.close()

    assert all(each.get_loop() is loop for loop, each in made)


async def test_a_task_factory_with_two_parameters_is_called_for_each_task():
    loop = asyncio.get_running_loop()
    seen = []

    def factory(loop, coro):
        seen.append(coro.__qualname__)
        return asyncio.Task(coro, loop=loop)

    loop.set_task_factory(factory)
    assert loop.get_task_factory() is factory
    await loop.create_task(asyncio.sleep(0))
    loop.set_task_factory(None)

    assert seen == ["sleep"]


@pytest.mark.skipif(sys.version_info[:2] >= (3, 13), reason="later versions pass name= on")
async def test_a_task_factory_with_two_parameters_may_be_used_with_a_name():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coro: asyncio.Task(coro, loop=loop))
    task = loop.create_task(asyncio.sleep(0), name="my name")
    loop.set_task_factory(None)
    await task

    assert task.get_name() == "my name"


async def test_a_task_factory_is_given_the_context():
    loop = asyncio.get_running_loop()
    seen = {}

    def factory(loop, coro, **kwargs):
        seen.update(kwargs)
        return asyncio.Task(coro, loop=loop, **kwargs)

    context = contextvars.copy_context()
    loop.set_task_factory(factory)
    await loop.create_task(asyncio.sleep(0), context=context)
    loop.set_task_factory(None)

    assert seen["context"] is context


async def test_a_task_factory_that_cannot_be_called_is_refused():
    loop = asyncio.get_running_loop()

    with pytest.raises(TypeError, match=r"^task factory must be a callable or None$"):
        loop.set_task_factory(42)

    assert loop.get_task_factory() is None


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks are new in Python 3.12")
async def test_the_eager_task_factory_runs_the_first_step_at_once():
    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)
    seen = []

    async def eager():
        seen.append(asyncio.current_task())
        return "result"

    task = loop.create_task(eager(), name="eager one")
    loop.set_task_factory(None)

    assert seen == [task]
    assert task.done()
    assert await task == "result"


async def test_current_task_and_all_tasks_know_the_tasks_of_the_loop():
    me = asyncio.current_task()
    other = asyncio.create_task(asyncio.sleep(0))

    assert asyncio.all_tasks() >= {me, other}
    await other


async def test_a_task_can_be_cancelled_while_it_waits():
    task = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    task.cancel("the reason")

    with pytest.raises(asyncio.CancelledError, match="the reason"):
        await task


async def test_a_task_group_runs_its_tasks_to_the_end():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0.001, number)) for number in range(10)]

    assert [task.result() for task in tasks] == list(range(10))


async def test_a_queue_hands_items_between_tasks():
    queue = asyncio.Queue(maxsize=1)

    async def produce():
        for number in range(50):
            await queue.put(number)

    producer = asyncio.create_task(produce())
    received = [await queue.get() for _ in range(50)]
    await producer

    assert received == list(range(50))
