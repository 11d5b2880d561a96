"""HTTP/1.1, compiled: ASGI applications on connections of ngxloop's.

serve() is all that a program needs; HttpServer has the parts: a protocol factory for
loop.create_server(), start-up, draining, shutdown. Options has the limits and time-outs.
"""

from ngxloop.http.errors import ClientDisconnected
from ngxloop.http.lifespan import LifespanError
from ngxloop.http.options import AccessRecord, Options
from ngxloop.http.server import HttpServer, serve

__all__ = [
    "AccessRecord",
    "ClientDisconnected",
    "HttpServer",
    "LifespanError",
    "Options",
    "serve",
]
