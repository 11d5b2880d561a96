"""aiofastnet as a contender: its transports and its TLS on uvloop's event loop.

It is no event loop but a set of functions that take the place of a loop's methods.
"""

import asyncio
import importlib.metadata

import aiofastnet
import uvloop

__version__ = importlib.metadata.version("aiofastnet")


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop's whose connections are aiofastnet's."""
    loop: asyncio.AbstractEventLoop = aiofastnet.patch_loop(uvloop.new_event_loop())
    return loop
