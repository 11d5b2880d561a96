"""Asynchronous generators that are not run to their end."""

import asyncio
import gc
import sys

import pytest


async def numbers(ended: list, *, end=None):
    try:
        for number in range(100):
            yield number
    finally:
        if end is not None:
            await end()
        ended.append(True)


def test_a_dropped_generator_is_closed_by_the_loop(loop):
    ended = []

    async def main():
        generator = numbers(ended, end=lambda: asyncio.sleep(0))
        assert await anext(generator) == 0
        del generator
        gc.collect()
        for _ in range(5):
            await asyncio.sleep(0)

    loop.run_until_complete(main())

    assert ended == [True]


def test_shutdown_asyncgens_closes_what_is_still_open(loop):
    ended = []
    generators = [numbers(ended), numbers(ended, end=lambda: asyncio.sleep(0))]

    async def main():
        for generator in generators:
            await anext(generator)

    loop.run_until_complete(main())
    assert ended == []
    loop.run_until_complete(loop.shutdown_asyncgens())

    assert ended == [True, True]


def test_shutdown_asyncgens_has_nothing_to_do_for_a_finished_generator(loop):
    ended = []

    async def main():
        return [number async for number in numbers(ended)]

    assert len(loop.run_until_complete(main())) == 100
    loop.run_until_complete(loop.shutdown_asyncgens())

    assert ended == [True]


def test_a_generator_that_fails_to_close_is_reported(loop, reports):
    async def fail():
        raise ZeroDivisionError

    generator = numbers([], end=fail)

    async def main():
        await anext(generator)

    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())

    report = reports.pop()
    message = "an error occurred during closing of asynchronous generator"
    assert report["message"].startswith(message)
    assert report["asyncgen"] is generator
    assert isinstance(report["exception"], ZeroDivisionError)


def test_a_generator_started_after_shutdown_asyncgens_warns(loop):
    generator = numbers([])

    async def main():
        await loop.shutdown_asyncgens()
        with pytest.warns(ResourceWarning, match="was scheduled after loop.shutdown_asyncgens"):
            await anext(generator)
        await generator.aclose()

    loop.run_until_complete(main())


def test_the_hooks_are_installed_only_while_the_loop_runs(loop):
    before = sys.get_asyncgen_hooks()

    async def main():
        return sys.get_asyncgen_hooks()

    during = loop.run_until_complete(main())

    assert None not in tuple(during)
    assert sys.get_asyncgen_hooks() == before


def test_the_hooks_that_were_there_before_the_run_are_put_back(loop):
    def firstiter(_generator):
        raise AssertionError("not reached")

    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(firstiter=firstiter)
    try:
        loop.run_until_complete(asyncio.sleep(0))
        assert sys.get_asyncgen_hooks().firstiter is firstiter
    finally:
        sys.set_asyncgen_hooks(*before)
