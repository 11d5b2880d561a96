"""An aiohttp application for the tests; every answer's body is the worker's process id."""

import asyncio
import os
import sys

from aiohttp import web


async def process_id(request):
    return web.Response(text=str(os.getpid()))


async def until_body_ends(request):
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"begun\n")
    await request.read()
    await answer.write(b"ended\n")
    return answer


async def after_body(request):
    print("request begun", file=sys.stderr, flush=True)
    await request.read()
    return web.Response(headers={"Connection": "keep-alive"})


async def forever(request):
    print("request hangs", file=sys.stderr, flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("request cancelled", file=sys.stderr, flush=True)
        raise


async def clean_up(application):
    print("application cleaned up", file=sys.stderr, flush=True)


async def refuse(application):
    raise RuntimeError("no database")


def make_app():
    application = web.Application()
    application.router.add_route("*", "/", process_id)
    application.router.add_route("*", "/slow", until_body_ends)
    application.router.add_route("*", "/late", after_body)
    application.router.add_route("*", "/hang", forever)
    application.on_cleanup.append(clean_up)
    return application


async def make_app_slowly():
    await asyncio.sleep(0)
    return make_app()


app = make_app()


async def fail(application):
    raise RuntimeError("cannot say goodbye")


rude = web.Application()
rude.on_cleanup.append(fail)
broken = web.Application()
broken.on_startup.append(refuse)
