"""An aiohttp application made by a factory: JSON that says which worker answered.

    ngxloop-serve aiohttp_app:make_app --factory --app-dir examples --workers 4
    curl http://127.0.0.1:8000/

The factory runs in every worker, in its event loop; here it could await a connection pool. It needs
aiohttp (pip install aiohttp).
"""

import os

from aiohttp import web


async def make_app() -> web.Application:
    """Make the application of one worker."""
    app = web.Application()
    app.router.add_get("/", show_worker)
    return app


async def show_worker(request: web.Request) -> web.Response:
    """Answer with the worker's process id."""
    return web.json_response({"worker": os.getpid(), "client": request.remote})
