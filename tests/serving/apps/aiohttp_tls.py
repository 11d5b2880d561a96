"""The same with aiohttp."""

import os

from aiohttp import web


async def tell(request):
    certificate = request.transport.get_extra_info("peercert")
    subject = certificate["subject"] if certificate else None
    told = {"pid": os.getpid(), "scheme": request.scheme, "subject": subject}
    return web.json_response(told)


def make_app():
    application = web.Application()
    application.router.add_route("*", "/", tell)
    return application
