"""EventLoop: the one class that is put together from all the parts."""

import asyncio

import pytest

import ngxloop


class Subclass(ngxloop.EventLoop):
    pass


async def use_everything():
    """Do what sets attributes of the loop: generators, threads, tasks, servers."""

    async def generate():
        yield 1

    async for _ in generate():
        pass
    loop = asyncio.get_running_loop()
    loop.set_task_factory(None)
    loop.set_exception_handler(None)
    await loop.run_in_executor(None, int)
    server = await asyncio.start_server(lambda *_streams: None, "127.0.0.1", 0)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("loop_class", [ngxloop.EventLoop, Subclass])
def test_a_loop_needs_no_dictionary_for_its_attributes(loop_class):
    with asyncio.Runner(loop_factory=loop_class) as runner:
        runner.run(use_everything())

        assert vars(runner.get_loop()) == {}


def test_a_loop_takes_any_attribute():
    loop = ngxloop.new_event_loop()
    loop.application = "mine"
    loop.call_soon = "replaced"
    loop.close()

    assert vars(loop) == {"application": "mine", "call_soon": "replaced"}
    assert loop.call_soon == "replaced"
